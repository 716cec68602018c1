"""
The first request of some bytes as three readers see it: ours, h11 and llhttp. What is compared, and what is not.

Where they may see it differently, and why, is `http1_disagreements.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

import h11
import httptools

from iron_proxy.errors import BadRequest
from iron_proxy.messages.headers import Pair
from iron_proxy.protocols.http1.events import EndOfMessage, RequestHead
from iron_proxy.protocols.http1.request_parser import RequestParser


class Message(NamedTuple):
    """One request as any reader can put it, and how many bytes it took."""

    method: bytes
    target: bytes
    fields: tuple[Pair, ...]
    body: bytes
    end: int


class Refused(NamedTuple):
    """No request. Only our own reason is compared with anything."""

    reason: str


class Waits(NamedTuple):
    """Not a whole request yet."""


Reading = Message | Refused | Waits

# --- the readers ----------------------------------------------------------------------------------------------------


def by_us(wire: bytes) -> Reading:
    """The request parser."""
    parser = RequestParser()
    parser.receive(wire)
    head: RequestHead | None = None
    body = b""
    try:
        while not isinstance(event := parser.next_event(), EndOfMessage):
            if event is None:
                return Waits()
            if isinstance(event, RequestHead):
                head = event
            elif isinstance(event, bytes):
                body += event
    except BadRequest as error:
        return Refused(str(error))
    assert head is not None
    end = len(wire) - len(parser.take_unread())
    return Message(head.method.encode(), head.target, tuple(head.pairs), body, end)


def by_h11(wire: bytes) -> Reading:
    """h11, a reader in Python."""
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    reader.receive_data(wire)
    head: h11.Request | None = None
    body = b""
    try:
        while not isinstance(event := reader.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                return Waits()
    except h11.RemoteProtocolError as error:
        return Refused(str(error))
    assert head is not None
    fields = tuple((bytes(name), bytes(value)) for name, value in head.headers.raw_items())
    return Message(bytes(head.method), bytes(head.target), fields, body, len(wire) - len(reader.trailing_data[0]))


class _LlhttpEvents:
    def __init__(self) -> None:
        self.target = self.body = b""
        self.fields: list[Pair] = []
        self.in_body = self.is_complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_body:  # llhttp reports trailers by the same call
            self.fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_body = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True


def by_llhttp(wire: bytes) -> Reading:
    """llhttp, Node's reader, byte by byte: it does not tell where a message ends but by when."""
    events = _LlhttpEvents()
    parser = httptools.HttpRequestParser(events)
    for position in range(len(wire)):
        try:
            parser.feed_data(wire[position : position + 1])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not events.is_complete:
                return Refused(str(error))
        if events.is_complete:
            method = bytes(parser.get_method())
            return Message(method, events.target, tuple(events.fields), events.body, position + 1)
    return Waits()


READERS: dict[str, Callable[[bytes], Reading]] = {"h11": by_h11, "llhttp": by_llhttp}


# --- what is compared -----------------------------------------------------------------------------------------------

# Set apart by us as facts of the head; every reader uses them for what they are for, which shows in `body` and `end`.
_APART = frozenset((
    b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"te", b"expect", b"trailer",
    b"upgrade", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate",
))  # fmt: skip


def same(ours: Message, theirs: Message) -> bool:
    """Whether two messages are one, but for the fields that we do not forward."""
    return (ours.method, ours.target, ours.body, ours.end) == (
        theirs.method, theirs.target, theirs.body, theirs.end,
    ) and _compared(ours, theirs) == _compared(theirs, theirs)  # fmt: skip


def _compared(message: Message, whole: Message) -> list[Pair]:
    """The fields that are forwarded: those that a Connection field names are not."""
    named = {
        option.strip(b" \t").lower()
        for name, value in whole.fields
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    kept = [(name.lower(), value) for name, value in message.fields]
    return [(name, value) for name, value in kept if name not in _APART | named]


def disagree(ours: Reading, theirs: Reading) -> bool:
    """Whether one has a message that the other does not have."""
    if isinstance(ours, Message) and isinstance(theirs, Message):
        return not same(ours, theirs)
    return isinstance(ours, Message) or isinstance(theirs, Message)
