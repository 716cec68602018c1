"""HTTP/2 frames as published, built without the code under test, and what a connection says to them."""

from collections.abc import Iterable, Iterator
from struct import pack

from tests.wire.pieces import cut_at, in_pieces

from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import ConnectionFailed, Event
from iron_proxy.protocols.http2.server import Http2Server

Pairs = list[tuple[bytes, bytes]]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET: Pairs = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"ok.test"), (b":path", b"/")]
POST: Pairs = [(b":method", b"POST"), *GET[1:]]
OK: Pairs = [(b":status", b"200")]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return pack(">L", len(payload))[1:] + bytes([kind, flags]) + pack(">L", stream) + payload


def integer(value: int, first: int, bits: int) -> bytes:
    """RFC 7541 section 5.1."""
    mask = (1 << bits) - 1
    if value < mask:
        return bytes([first | value])
    rest, encoded = value - mask, bytearray([first | mask])
    while rest >= 128:
        encoded.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*encoded, rest])


def block(pairs: Pairs, first: int = 0) -> bytes:
    """Literal fields that no table takes; 0x10 as first byte: that no table may ever take."""
    return b"".join(
        bytes([first]) + integer(len(name), 0, 7) + name + integer(len(value), 0, 7) + value for name, value in pairs
    )


def headers(stream: int, pairs: Pairs, *, end: bool = True) -> bytes:
    return frame(1, 0x4 | (0x1 if end else 0), stream, block(pairs))


def data(stream: int, content: bytes, *, end: bool = False) -> bytes:
    return frame(0, 0x1 if end else 0, stream, content)


def settings(*values: tuple[int, int]) -> bytes:
    return frame(4, 0, 0, b"".join(pack(">HL", *value) for value in values))


def window_update(stream: int, increment: int) -> bytes:
    return frame(8, 0, stream, pack(">L", increment))


def reset(stream: int, code: int = 8) -> bytes:
    return frame(3, 0, stream, pack(">L", code))


def go_away(last: int, code: int = 0) -> bytes:
    return frame(7, 0, 0, pack(">LL", last, code))


OPENING = PREFACE + settings()


def frames_in(wire: bytes) -> list[tuple[int, int, int, bytes]]:
    """(type, flags, stream, payload) of every frame; a preface is left out."""
    wire = wire.removeprefix(PREFACE)
    found = []
    while wire:
        length = int.from_bytes(wire[:3], "big")
        found.append((wire[3], wire[4], int.from_bytes(wire[5:9], "big"), wire[9 : 9 + length]))
        assert len(wire) >= 9 + length, "the last frame is not whole"
        wire = wire[9 + length :]
    return found


def opened_server() -> Http2Server:
    """A server to which a client has said its preface; what it said itself is taken."""
    server = Http2Server("https")
    server.receive(OPENING)
    server.take_outgoing()
    return server


def opened_client() -> Http2Client:
    client = Http2Client()
    client.receive(settings())
    client.take_outgoing()
    return client


def client_with_requests(count: int = 1, method: str = "GET", *, end: bool = True) -> Http2Client:
    client = opened_client()
    for _ in range(count):
        client.send_head(method, "https", b"ok.test", b"/", [], end=end)
    client.take_outgoing()
    return client


def told(connection: Http2Server | Http2Client, pieces: Iterable[bytes], now: float = 0.0) -> list[Event]:
    """All that a connection says to these pieces."""
    return [event for piece in pieces for event in connection.receive(piece, now)]


def failure(events: list[Event]) -> ConnectionFailed:
    """The event that ended the connection."""
    assert events
    assert isinstance(events[-1], ConnectionFailed), events[-1]
    return events[-1]


def comparable(events: list[Event]) -> list[str]:
    """The same for every way to cut the same bytes."""
    return [readable(event) for event in events]


def readable(event: Event) -> str:
    """An event as text: heads and errors are compared by what they say."""
    parts = []
    for name in event.__slots__:
        value = getattr(event, name)
        if hasattr(value, "pairs"):
            value = {each: getattr(value, each) for each in value.__slots__ if each != "checked"}
        parts.append(f"{name}={value!r}")
    return f"{type(event).__name__}({', '.join(parts)})"


def every_split(wire: bytes) -> Iterator[Iterator[bytes]]:
    """In equal pieces of some sizes, and cut once at every place."""
    for size in (1, 2, 3, 5, 8, 9, 10, 17, 64):
        yield in_pieces(wire, size)
    for position in range(1, len(wire)):
        yield cut_at(wire, [position])
