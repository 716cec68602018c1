"""
HTTP/2 frames as bytes (RFC 9113 sections 4, 6, 7): their numbers, and writing the few kinds that we send.

Reading them is `connection.py`'s, where the state is that decides what a frame means.
"""

from enum import IntEnum
from struct import Struct

from iron_proxy.protocols.http2.limits import MAX_FRAME_BYTES

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_BYTES = 9

# Length (24 bits, as 8 and 16), type, flags, stream.
FRAME_HEADER = Struct(">BHBBL")
_SETTING = Struct(">HL")
_WORD = Struct(">L")

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

SETTING_HEADER_TABLE_SIZE, SETTING_ENABLE_PUSH, SETTING_MAX_CONCURRENT_STREAMS = 1, 2, 3
SETTING_INITIAL_WINDOW_SIZE, SETTING_MAX_FRAME_SIZE, SETTING_MAX_HEADER_LIST_SIZE = 4, 5, 6


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (RFC 9113 section 7)."""

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
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class ConnectionViolation(Exception):
    """The peer did what ends the connection. Caught by `connection.py`; `reason` is a fixed sentence."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One frame. The payload must not be longer than MAX_FRAME_BYTES."""
    length = len(payload)
    return FRAME_HEADER.pack(length >> 16, length & 0xFFFF, kind, flags, stream_id) + payload


def frame_header(kind: int, flags: int, stream_id: int, length: int) -> bytes:
    """What stands before a payload that is not copied to be framed."""
    return FRAME_HEADER.pack(length >> 16, length & 0xFFFF, kind, flags, stream_id)


def header_frames(stream_id: int, block: bytes, *, end: bool) -> bytes:
    """A field block as HEADERS and, where one frame cannot hold it, CONTINUATION."""
    flags = END_STREAM if end else 0
    if len(block) <= MAX_FRAME_BYTES:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    pieces = [block[at : at + MAX_FRAME_BYTES] for at in range(0, len(block), MAX_FRAME_BYTES)]
    first, *middle, last = pieces
    return b"".join((
        frame(HEADERS, flags, stream_id, first),
        *(frame(CONTINUATION, 0, stream_id, piece) for piece in middle),
        frame(CONTINUATION, END_HEADERS, stream_id, last),
    ))  # fmt: skip


def settings_frame(values: dict[int, int]) -> bytes:
    """Our settings."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*setting) for setting in values.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The peer's (identifier, value) pairs in order; the payload's length must be a multiple of six."""
    return list(_SETTING.iter_unpack(payload))


def read_word(payload: bytes, at: int = 0) -> int:
    """Four bytes as a number."""
    return int(_WORD.unpack_from(payload, at)[0])


def window_update(stream_id: int, increment: int) -> bytes:
    """Leave to send so many bytes more."""
    return frame(WINDOW_UPDATE, 0, stream_id, _WORD.pack(increment))


def reset_stream(stream_id: int, code: int) -> bytes:
    """The improper end of one stream."""
    return frame(RST_STREAM, 0, stream_id, _WORD.pack(code))


def go_away(last_stream: int, code: int) -> bytes:
    """The end of the connection for streams after `last_stream`."""
    return frame(GOAWAY, 0, 0, _WORD.pack(last_stream) + _WORD.pack(code))
