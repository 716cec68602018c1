"""Feed an HTTP/1.1 parser and write down what it says, in a form that two runs can be compared by."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.wire.pieces import cut_at, in_pieces

from iron_proxy.errors import IronProxyError
from iron_proxy.protocols.http1.events import EndOfMessage, RequestHead, ResponseHead
from iron_proxy.protocols.http1.request_parser import RequestParser
from iron_proxy.protocols.http1.response_parser import ResponseParser

# A head as its facts by name, a body's bytes joined, an end, or the error that stopped it all.
Seen = dict[str, Any] | bytes | EndOfMessage | IronProxyError


class Told(NamedTuple):
    """What a parser said, and what it left unread."""

    seen: list[Seen]
    unread: bytes

    @property
    def head(self) -> dict[str, Any]:
        """The first head."""
        head = self.seen[0]
        assert isinstance(head, dict), head
        return head

    @property
    def error(self) -> IronProxyError | None:
        """What stopped the parser, if anything did."""
        last = self.seen[-1] if self.seen else None
        return last if isinstance(last, IronProxyError) else None

    @property
    def body(self) -> bytes:
        """All body bytes together."""
        return b"".join(each for each in self.seen if isinstance(each, bytes))

    @property
    def ends(self) -> list[EndOfMessage]:
        """The ends of complete messages."""
        return [each for each in self.seen if isinstance(each, EndOfMessage)]

    @property
    def comparable(self) -> list[object]:
        """The same for every way to cut the same bytes; an error counts by its kind and status."""
        return [(type(each), each.status) if isinstance(each, IronProxyError) else each for each in self.seen]


def requests_in(pieces: Iterable[bytes], *, then_end: bool = False) -> Told:
    """Read request after request."""
    return _told(RequestParser(), pieces, then_end, [])


def responses_in(pieces: Iterable[bytes], *methods: str, then_end: bool = False) -> Told:
    """Read the responses to requests with these methods, one after the other; a GET if none is given."""
    parser = ResponseParser()
    first, *others = methods or ("GET",)
    parser.expect(first)
    return _told(parser, pieces, then_end, others)


def every_split(wire: bytes) -> Iterator[Iterator[bytes]]:
    """All at once, in equal pieces of every size, and cut once at every place."""
    for size in range(1, len(wire) + 1):
        yield in_pieces(wire, size)
    for position in range(1, len(wire)):
        yield cut_at(wire, [position])


def _told(parser: RequestParser | ResponseParser, pieces: Iterable[bytes], then_end: bool, methods: list[str]) -> Told:
    seen: list[Seen] = []
    try:
        for piece in pieces:
            parser.receive(piece)
            _drain(parser, seen, methods)
        if then_end:
            event = parser.receive_end()
            if isinstance(event, EndOfMessage):
                seen.append(event)
    except IronProxyError as error:
        seen.append(error)
    return Told(seen, parser.take_unread())


def _drain(parser: RequestParser | ResponseParser, seen: list[Seen], methods: list[str]) -> None:
    while (event := parser.next_event()) is not None:
        if isinstance(event, bytes) and seen and isinstance(seen[-1], bytes):
            seen[-1] += event
        elif isinstance(event, RequestHead | ResponseHead):
            seen.append({name: getattr(event, name) for name in event.__slots__})
        elif isinstance(event, bytes | EndOfMessage):
            seen.append(event)
        if isinstance(event, EndOfMessage):
            if isinstance(parser, RequestParser):
                parser.start_next()
            elif methods:
                parser.expect(methods.pop(0))
