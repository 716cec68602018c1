"""
HTTP/2 frames and header blocks byte by byte, for what no honest library would send.

Blocks are written as literals that touch no table, so that a test may send them beside an encoder of its own.
"""

from collections.abc import Iterable
from enum import IntEnum

Pairs = Iterable[tuple[bytes, bytes]]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 0x1, 0x1, 0x4, 0x8, 0x20


class Kind(IntEnum):
    """Frame types (RFC 9113 section 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9
    UNKNOWN = 0x42


class Code(IntEnum):
    """Error codes (RFC 9113 section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11


class Setting(IntEnum):
    """Settings (RFC 9113 section 6.5.2, RFC 8441)."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One frame, whatever is in it."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload


def hpack_integer(value: int, prefix_bits: int, first: int = 0) -> bytes:
    """An integer behind a prefix (RFC 7541 section 5.1)."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def literal(name: bytes, value: bytes) -> bytes:
    """A field without Huffman coding, which is not to be indexed."""
    return b"\x00" + hpack_integer(len(name), 7) + name + hpack_integer(len(value), 7) + value


def block(pairs: Pairs) -> bytes:
    """A header block of literals."""
    return b"".join(literal(name, value) for name, value in pairs)


def headers(stream_id: int, pairs: Pairs, *, end: bool = True) -> bytes:
    """A whole head (or trailers) in one frame."""
    return frame(Kind.HEADERS, END_HEADERS | (END_STREAM if end else 0), stream_id, block(pairs))


def data(stream_id: int, content: bytes, *, end: bool = False) -> bytes:
    """A piece of a body."""
    return frame(Kind.DATA, END_STREAM if end else 0, stream_id, content)


def reset(stream_id: int, code: int = Code.CANCEL) -> bytes:
    """RST_STREAM."""
    return frame(Kind.RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def settings(values: dict[int, int] | None = None) -> bytes:
    """SETTINGS."""
    pairs = [key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in (values or {}).items()]
    return frame(Kind.SETTINGS, 0, 0, b"".join(pairs))


def window_update(stream_id: int, increment: int) -> bytes:
    """WINDOW_UPDATE."""
    return frame(Kind.WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


def go_away(last_stream: int, code: int = Code.NO_ERROR) -> bytes:
    """GOAWAY."""
    return frame(Kind.GOAWAY, 0, 0, last_stream.to_bytes(4, "big") + code.to_bytes(4, "big"))
