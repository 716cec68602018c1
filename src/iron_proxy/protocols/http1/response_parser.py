"""
Responses from bytes, strictly (RFC 9112). No I/O; see `message_parser.py`. Called by `streams/http1_reader.py`.

Which request a response answers has to be told (`expect`): an answer to HEAD has no body whatever its fields say.
"""

import re

from iron_proxy.errors import IronProxyError, UpstreamDisconnected, UpstreamProtocolError
from iron_proxy.messages.headers import Fields, Pair
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.protocols.http1.fields import connection_options, split_fields, without_nominated
from iron_proxy.protocols.http1.framing import Framing, response_framing
from iron_proxy.protocols.http1.limits import (
    MAX_FIELDS,
    MAX_INFORMATIONAL,
    MAX_REMEMBERED_HEAD_BYTES,
    MAX_RESPONSE_HEAD_BYTES,
)
from iron_proxy.protocols.http1.message_parser import FIELD_BLOCK, MessageParser, keeps_alive

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\x00-\x08\n-\x1f\x7f]*+))?\r\n")
_NONE: list[bytes] = []

# What a field block says, in the order of the event's attributes.
_Facts = tuple[Fields | list[Pair], Framing, int | None, frozenset[bytes], bool, list[bytes]]


class ResponseParser(MessageParser[ResponseHead]):
    """Responses from an upstream. `expect` says which request the next one answers."""

    max_head_bytes = MAX_RESPONSE_HEAD_BYTES

    def __init__(self) -> None:
        super().__init__()
        self._method = "GET"
        self._informational = 0
        self._known_block: tuple[bytes, int, bytes, str] | None = None     # as in RequestParser
        self._known_facts: _Facts | None = None

    def expect(self, method: str) -> None:
        """A response to this method comes next: HEAD has no body whatever its fields say."""
        if method != self._method:
            self._method = method
            self._known_event = None          # the same bytes may mean another body
        self._informational = 0
        self._skipped_empty_line = self.has_ended = False
        self.next_event = self._read_head

    def _parse_head(self, head: bytes) -> ResponseHead:
        line = _STATUS_LINE.match(head)
        if line is None:
            raise UpstreamProtocolError("the upstream's status line is not valid HTTP/1.1")
        minor, status, reason = line.groups()
        minor_version = 1 if minor == b"1" else 0
        block = (head[line.end() : -2], minor_version, status, self._method)
        is_short = len(head) <= MAX_REMEMBERED_HEAD_BYTES
        is_repeated = is_short and block == self._known_block
        facts = self._known_facts
        if facts is None or not is_repeated:
            facts = self._read_fields(block[0], minor_version, int(status), is_repeated)
            self._known_block = block if is_short else None
            self._known_facts = facts if is_repeated else None
        event = ResponseHead()
        event.status = int(status)
        event.reason = reason or b""
        event.minor_version = minor_version
        (
            event.pairs, event.framing, event.declared_length, event.connection, event.keep_alive, event.upgrade,
        ) = facts  # fmt: skip
        return event

    def _read_fields(self, block: bytes, minor_version: int, status: int, is_repeated: bool) -> _Facts:
        if not FIELD_BLOCK.fullmatch(block):
            raise UpstreamProtocolError("a header field of the upstream's response is not valid HTTP/1.1")
        pairs, apart = split_fields(block)
        if len(pairs) > MAX_FIELDS:
            raise UpstreamProtocolError("the upstream's response has too many header fields")
        options = connection_options(apart)
        framing, declared_length = response_framing(
            status,
            self._method,
            apart.get(b"content-length", _NONE),
            apart.get(b"transfer-encoding", _NONE),
            minor_version,
            self._violation,
        )
        forwarded = without_nominated(pairs, options)
        return (
            Fields(forwarded) if is_repeated else forwarded,
            framing,
            declared_length,
            options,
            keeps_alive(minor_version, options),
            apart.get(b"upgrade", _NONE),
        )

    def _enter(self, event: ResponseHead) -> None:
        if event.status >= 200:
            self._enter_body(event.framing)
        elif event.status == 101:             # what follows is another protocol's: see take_unread
            self.next_event = self._wait
        else:
            self._informational += 1
            if self._informational > MAX_INFORMATIONAL:
                raise UpstreamProtocolError("the upstream sent too many 1xx responses")

    def _violation(self, reason: str) -> IronProxyError:
        return UpstreamProtocolError(f"the upstream's response is not valid HTTP/1.1: {reason}")

    def _cut_short(self) -> IronProxyError:
        return UpstreamDisconnected("the upstream closed the connection before its response was complete")
