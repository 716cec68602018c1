"""
Bytes to whole frames (RFC 9113 sections 4 and 6): everything about a frame that can be told without a stream's state.

A head that comes in several frames comes out as one, padding and priorities are taken off, and what has a fixed length
or belongs on stream 0 is checked. Called by `connection.py`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from iron_proxy.protocols.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    FRAME_HEADER,
    GOAWAY,
    HAS_PRIORITY,
    HEADER_BYTES,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ConnectionViolation,
    ErrorCode,
)  # fmt: skip
from iron_proxy.protocols.http2.limits import MAX_CONTINUATIONS, MAX_FRAME_BYTES

# Type, flags, stream, payload without padding, and the length that flow control counts.
Frame = tuple[int, int, int, bytes, int]

_KIND_AT, _DATA = 3, bytes((DATA,))
_FIXED_LENGTHS = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_OF_A_STREAM = frozenset((DATA, HEADERS, PRIORITY, RST_STREAM, CONTINUATION))
_OF_THE_CONNECTION = frozenset((SETTINGS, PING, GOAWAY))


class _Begun(NamedTuple):
    """A head whose last frame has not come yet."""

    flags: int
    stream_id: int
    pieces: list[bytes]


class FrameReader:
    """The frames of one peer. `max_block_bytes` is how long a field block may be."""

    def __init__(self, max_block_bytes: int, *, expects_preface: bool) -> None:
        self._unread = b""
        self._preface = PREFACE if expects_preface else b""
        self._max_block_bytes = max_block_bytes
        self._has_settings = False
        self._begun: _Begun | None = None
        self.completed = 0  # frames, those of a head that is not complete not counted

    @property
    def is_mid_head(self) -> bool:
        """Whether what has come ends within anything but a frame of a body: a head, or what comes before the first."""
        if self._begun is not None or not self._has_settings:
            return True
        return bool(self._unread) and self._unread[_KIND_AT:][:1] != _DATA

    @property
    def held_bytes(self) -> int:
        """How much is held of what is not complete."""
        return len(self._unread) + (sum(map(len, self._begun.pieces)) if self._begun is not None else 0)

    def read(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with these bytes. Must be read to its end; raises ConnectionViolation."""
        unread = self._unread + data if self._unread else data
        at = 0
        if self._preface:
            at = self._read_preface(unread)
        end = len(unread)
        while end - at >= HEADER_BYTES:
            high, low, kind, flags, stream_id = FRAME_HEADER.unpack_from(unread, at)
            length = high << 16 | low
            if length > MAX_FRAME_BYTES:
                raise ConnectionViolation(ErrorCode.FRAME_SIZE_ERROR, "a frame is larger than we allow")
            start = at + HEADER_BYTES
            if end - start < length:
                break
            at = start + length
            found = self._read_frame(kind, flags, stream_id & 0x7FFFFFFF, unread[start:at])
            if found is not None:
                self.completed += 1
                yield found
        self._unread = unread[at:] if at else unread

    def _read_preface(self, unread: bytes) -> int:
        preface = self._preface
        count = min(len(preface), len(unread))
        if unread[:count] != preface[:count]:
            raise _violation("the connection does not begin as HTTP/2 does")
        self._preface = preface[count:]
        return count

    def _read_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> Frame | None:
        if not self._has_settings:
            if kind != SETTINGS or flags & ACK:
                raise _violation("the first frame is not SETTINGS")
            self._has_settings = True
        if self._begun is not None or kind == CONTINUATION:
            return self._read_continuation(kind, flags, stream_id, payload)
        if kind == DATA:
            if not stream_id:
                raise _violation("a frame of a stream on stream 0")
            return DATA, flags, stream_id, _unpadded(payload) if flags & PADDED else payload, len(payload)
        if kind == HEADERS:
            return self._read_headers(flags, stream_id, payload)
        _check(kind, flags, stream_id, len(payload))
        return kind, flags, stream_id, payload, 0

    def _read_headers(self, flags: int, stream_id: int, payload: bytes) -> Frame | None:
        if not stream_id:
            raise _violation("a frame of a stream on stream 0")
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & HAS_PRIORITY:  # RFC 9113 section 5.3: deprecated, to be ignored
            if len(payload) < 5:
                raise ConnectionViolation(ErrorCode.FRAME_SIZE_ERROR, "a HEADERS frame is too short")
            payload = payload[5:]
        if flags & END_HEADERS:
            return HEADERS, flags, stream_id, payload, 0
        self._begun = _Begun(flags, stream_id, [payload])
        return None

    def _read_continuation(self, kind: int, flags: int, stream_id: int, payload: bytes) -> Frame | None:
        begun = self._begun
        if begun is None or kind != CONTINUATION or stream_id != begun.stream_id:
            raise _violation("the frames of a head are not together")
        begun.pieces.append(payload)
        if len(begun.pieces) > MAX_CONTINUATIONS + 1 or sum(map(len, begun.pieces)) > self._max_block_bytes:
            raise ConnectionViolation(ErrorCode.ENHANCE_YOUR_CALM, "a head is too large or in too many frames")
        if not flags & END_HEADERS:
            return None
        self._begun = None
        return HEADERS, begun.flags, stream_id, b"".join(begun.pieces), 0


def _check(kind: int, flags: int, stream_id: int, length: int) -> None:
    """Raise if a frame other than DATA and those of a head is not what its type demands."""
    if kind == PUSH_PROMISE:
        raise _violation("a PUSH_PROMISE, which we never allow")
    if (kind in _OF_A_STREAM and not stream_id) or (kind in _OF_THE_CONNECTION and stream_id):
        raise _violation("a frame on a stream where it cannot be")
    if kind == SETTINGS:
        is_wrong = length if flags & ACK else length % 6
    elif kind == GOAWAY:
        is_wrong = length < 8
    else:
        is_wrong = length != _FIXED_LENGTHS.get(kind, length)
    if is_wrong:
        raise ConnectionViolation(ErrorCode.FRAME_SIZE_ERROR, "a frame has a length that its type cannot have")


def _unpadded(payload: bytes) -> bytes:
    padding = payload[0] if payload else 0
    if padding >= len(payload):
        raise _violation("a frame has more padding than content")
    return payload[1 : len(payload) - padding]


def _violation(reason: str) -> ConnectionViolation:
    return ConnectionViolation(ErrorCode.PROTOCOL_ERROR, reason)
