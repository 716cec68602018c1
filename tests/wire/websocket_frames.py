"""WebSocket frames (RFC 6455 section 5.2), written and read byte by byte, apart from what is tested."""

from collections.abc import Iterator
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b"\x0a\xb0\xc7\x11"


class Frame(NamedTuple):
    """One frame, its payload unmasked."""

    opcode: int
    payload: bytes
    final: bool = True


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, mask: bytes | None = None, first: int = 0) -> bytes:
    """A frame on the wire; `first` adds bits to its first byte."""
    size, bit = len(payload), 0 if mask is None else 0x80
    if size < 126:
        length = bytes((bit | size,))
    else:
        length = bytes((bit | 126,)) + size.to_bytes(2) if size <= 0xFFFF else bytes((bit | 127,)) + size.to_bytes(8)
    start = bytes((opcode | first | (0x80 if final else 0),)) + length
    return start + payload if mask is None else start + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    """The payload as it is sent, or back."""
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def frames_of(wire: bytes) -> Iterator[Frame]:
    """The frames of a wire that ends with one."""
    position = 0
    while position < len(wire):
        first, second = wire[position], wire[position + 1]
        size, position = second & 0x7F, position + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, position = int.from_bytes(wire[position : position + width]), position + width
        mask = None
        if second & 0x80:
            mask, position = wire[position : position + 4], position + 4
        payload = wire[position : position + size]
        assert len(payload) == size
        position += size
        yield Frame(first & 0x0F, payload if mask is None else masked(payload, mask), bool(first & 0x80))


def messages_of(wire: bytes) -> list[tuple[int, bytes]]:
    """(opcode, payload) of each message and control frame, fragments joined, control frames where they stand."""
    found: list[tuple[int, bytes]] = []
    opcode, parts = CONTINUATION, b""
    for each in frames_of(wire):
        if each.opcode >= CLOSE:
            found.append((each.opcode, each.payload))
            continue
        assert (each.opcode == CONTINUATION) is (opcode != CONTINUATION)
        opcode, parts = each.opcode or opcode, parts + each.payload
        if each.final:
            found.append((opcode, parts))
            opcode, parts = CONTINUATION, b""
    assert opcode == CONTINUATION
    return found
