"""
What requests and responses share: finding the end of a head, and bodies by their framing (RFC 9112 sections 2, 6, 7).

`request_parser.py` and `response_parser.py` fill in the heads. Nothing is lenient: no bare LF, no folding. The parser
stops after each message until `start_next`, so bytes that follow an upgrade or a CONNECT are never read as HTTP.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.headers import TOKEN, Fields, Pair
from iron_proxy.protocols.http1.events import (
    CONNECTION_CLOSED,
    NO_TRAILERS,
    EndOfMessage,
    Event,
    RequestHead,
    ResponseHead,
)
from iron_proxy.protocols.http1.fields import split_fields
from iron_proxy.protocols.http1.framing import CHUNKED, NO_BODY, Framing, Length
from iron_proxy.protocols.http1.limits import MAX_CHUNK_LINE_BYTES, MAX_TRAILER_BYTES

# `++` and `*+` never give back what they took: matching is linear in the bytes, whatever they are.
_FIELDS = rb"((?:" + TOKEN + rb"++:[^\x00-\x08\n-\x1f\x7f]*+\r\n)*+)"
FIELD_BLOCK = re.compile(_FIELDS)
_TRAILERS = re.compile(_FIELDS + rb"\r\n")
# RFC 9112 section 7.1: a size is hexadecimal digits; fifteen of them are below 2^60, more than any body has.
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\x00-\x08\n-\x1f\x7f]*)?\r\n")
# What may still become one; anything else is refused without waiting for its end.
_BEGUN_CHUNK_LINE = re.compile(rb"(?:[0-9A-Fa-f]{1,15}(?:[ \t]*(?:;[^\x00-\x08\n-\x1f\x7f]*)?\r?)?)?")
_END_OF_HEAD = b"\r\n\r\n"
_CR = 0x0D

# Fields that would change a message's framing, routing or authentication must not arrive behind its body (RFC 9110
# section 6.5.1); they are dropped, all others are passed on.
_NOT_IN_TRAILERS = frozenset((
    b"authorization", b"cache-control", b"content-encoding", b"content-range", b"content-type", b"cookie", b"expect",
    b"max-forwards", b"pragma", b"range", b"set-cookie", b"www-authenticate",
))  # fmt: skip


Head = TypeVar("Head", RequestHead, ResponseHead)


class MessageParser(ABC, Generic[Head]):
    """What both roles share: finding the end of a head, and bodies by their framing."""

    max_head_bytes: int

    def __init__(self) -> None:
        self.unread = b""                     # what no event has been made of yet
        self._searched = 0                    # how far the end of the head has been looked for
        self._skipped_empty_line = False      # before the message at hand
        self._at = 0                          # how far the chunks in the bytes at hand have been read
        self._known_head = b""                # a head that has come twice, and what was made of it
        self._known_event: Head | None = None
        self.has_ended = False                # a sized body's last piece is out: EndOfMessage is all that comes
        self._body_left = 0
        self._pieces: list[bytes] = []        # of the chunks in the bytes at hand, joined into one event
        # The next event, or None when more bytes are needed; raises the peer's error on a violation. It is the state
        # itself, so that asking costs one call.
        self.next_event: Callable[[], Event | None] = self._read_head

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        self.unread = self.unread + data if self.unread else data

    def receive_end(self) -> Event:
        """The peer has closed: the orderly end, the end of an unframed body, or an error."""
        if self.next_event == self._read_until_close:
            self.next_event = self._wait
            return NO_TRAILERS
        if self.next_event == self._wait or (self.next_event == self._read_head and not self.unread):
            return CONNECTION_CLOSED
        raise self._cut_short()

    def start_next(self) -> None:
        """Go on with the next message, once the last one has ended."""
        self._skipped_empty_line = False
        self.has_ended = False
        self.next_event = self._read_head

    def take_unread(self) -> bytes:
        """The bytes behind the message, for whoever speaks on this connection next."""
        unread, self.unread = self.unread, b""
        return unread

    def let_go(self) -> None:
        """The connection has ended: drop what is held of the peer's bytes, and leave nothing to the collector."""
        self.unread, self._pieces = b"", []
        self.next_event = _nothing_more          # a state of its own is a cycle: from the parser to its method and back

    @property
    def is_mid_message(self) -> bool:
        """Whether part of a message has been received and the rest has not."""
        return self.next_event != self._wait and not (self.next_event == self._read_head and not self.unread)

    @property
    def is_until_close(self) -> bool:
        """Whether only the end of the connection will end this body."""
        return self.next_event == self._read_until_close

    # --- heads ------------------------------------------------------------------------------------------------------

    def _read_head(self) -> Event | None:
        event = self._known_event
        if event is not None and self.unread.startswith(self._known_head):
            self.unread = self.unread[len(self._known_head) :]
            self._searched = 0
        else:
            head = self._next_head()
            if head is None:
                return None
            event = self._parse_head(head)
            if isinstance(event.pairs, Fields):
                self._known_event, self._known_head = event, head
        self._enter(event)
        return event

    def _next_head(self) -> bytes | None:
        unread = self.unread
        if not unread:
            return None
        if unread[0] == _CR and unread[:2] == b"\r\n" and not self._skipped_empty_line:
            self._skipped_empty_line = True   # RFC 9112 section 2.2: one empty line before a start line is tolerated
            self.unread = unread = unread[2:]
        end = unread.find(_END_OF_HEAD, self._searched)
        if end < 0:
            if len(unread) > self.max_head_bytes + 3:         # of the four bytes that end it, three may be here
                raise self._too_large("the head is too large")
            self._check_start(unread)
            self._searched = max(0, len(unread) - 3)
            return None
        if end > self.max_head_bytes:
            raise self._too_large("the head is too large")
        self._searched = 0
        end += 4
        head, self.unread = (unread, b"") if end == len(unread) else (unread[:end], unread[end:])
        return head

    def _enter_body(self, framing: Framing) -> None:
        if framing is NO_BODY:
            self.next_event = self._end_without_body
        elif isinstance(framing, Length):
            self._body_left = framing.size
            self.next_event = self._read_length
        else:
            self.next_event = self._read_chunk_line if framing is CHUNKED else self._read_until_close

    # --- bodies -----------------------------------------------------------------------------------------------------

    def _end_without_body(self) -> Event:
        self.next_event = self._wait
        return NO_TRAILERS

    def _read_length(self) -> Event | None:
        unread, left = self.unread, self._body_left
        if not unread:
            return None
        if len(unread) < left:
            self.unread = b""
            self._body_left = left - len(unread)
            return unread
        self.next_event = self._end_without_body
        self.has_ended = True
        self.unread = unread[left:]
        return unread[:left]

    def _read_until_close(self) -> Event | None:
        return self.take_unread() or None

    def _read_chunk_line(self) -> Event | None:
        line = _CHUNK_LINE.match(self.unread, self._at)
        if line is None:
            self._check_partial_chunk_line()
            return self._join_pieces()
        if line.end() - self._at > MAX_CHUNK_LINE_BYTES:
            raise self._violation("a chunk-size line is too long")
        self._at = line.end()
        self._body_left = int(line[1], 16)
        if not self._body_left:
            self.next_event = self._read_trailers
            return self._join_pieces() or self._read_trailers()
        self.next_event = self._read_chunk
        return self._read_chunk()

    def _check_partial_chunk_line(self) -> None:
        line = self.unread[self._at : self._at + MAX_CHUNK_LINE_BYTES + 1]
        if len(line) > MAX_CHUNK_LINE_BYTES or not _BEGUN_CHUNK_LINE.fullmatch(line):
            raise self._violation("malformed chunk size")

    def _read_chunk(self) -> Event | None:
        unread, left = self.unread, self._body_left
        if left:
            piece = unread[self._at : self._at + left]
            if piece:
                self._pieces.append(piece)
                self._at += len(piece)
                self._body_left = left = left - len(piece)
            if left:
                return self._join_pieces()
        line_end = unread[self._at : self._at + 2]
        if line_end != b"\r\n":
            if line_end not in (b"", b"\r"):
                raise self._violation("a chunk does not end where its size says")
            return self._join_pieces()
        self._at += 2
        self.next_event = self._read_chunk_line
        return self._read_chunk_line() if len(self._pieces) < 64 else self._join_pieces()

    def _join_pieces(self) -> bytes | None:
        # Cut once for many chunks: cutting at each would make small chunks cost the square of their number.
        self.unread, self._at = self.unread[self._at :], 0
        if not self._pieces:
            return None
        content = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return content

    def _read_trailers(self) -> Event | None:
        block = _TRAILERS.match(self.unread)
        if block is None:
            end = self.unread.find(_END_OF_HEAD)
            if len(self.unread) > MAX_TRAILER_BYTES or end >= 0 or self.unread[:1] in (b" ", b"\t", b"\n"):
                raise self._violation("malformed or oversized trailers")
            return None
        if block.end() > MAX_TRAILER_BYTES:
            raise self._violation("malformed or oversized trailers")
        self.unread = self.unread[block.end() :]
        self.next_event = self._wait
        return EndOfMessage(_forwardable_trailers(block[1])) if block[1] else NO_TRAILERS

    def _wait(self) -> Event | None:
        return None

    # --- what the roles fill in -------------------------------------------------------------------------------------

    @abstractmethod
    def _parse_head(self, head: bytes) -> Head:
        """
        The event of a complete head. Raises the peer's error.

        With `Fields` it may be given again where the same bytes come again, so it must come of the bytes alone.
        """

    @abstractmethod
    def _enter(self, event: Head) -> None:
        """Go on with what follows the head."""

    def _check_start(self, unread: bytes) -> None:
        """Refuse early what can no longer become a head, so that garbage is not waited for."""

    @abstractmethod
    def _violation(self, reason: str) -> IronProxyError:
        """The error of the side that sent the message."""

    def _too_large(self, reason: str) -> IronProxyError:
        return self._violation(reason)

    @abstractmethod
    def _cut_short(self) -> IronProxyError:
        """The error of a peer that closes in the middle of a message."""


def _nothing_more() -> Event | None:
    return None


def _forwardable_trailers(block: bytes) -> list[Pair]:
    return [pair for pair in split_fields(block)[0] if pair[0].lower() not in _NOT_IN_TRAILERS]


def keeps_alive(minor_version: int, options: frozenset[bytes]) -> bool:
    """Whether the sender means to go on using the connection (RFC 9112 section 9.3)."""
    if not options:
        return minor_version == 1
    return b"close" not in options and (minor_version == 1 or b"keep-alive" in options)
