"""
WebSocket frames (RFC 6455 section 5) as far as two ends need them that exchange short texts. Used by client and origin.

The proxy parses no frames: what is here belongs to the demo alone.
"""

from typing import Protocol

TEXT = 0x1
CLOSE = 0x8

_FINAL = 0x80
_MASKED = 0x80
_MAX_SHORT = 125  # a longer payload has its length elsewhere; nothing here is


class Readable(Protocol):
    """A file to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes, fewer at the end only."""
        ...


def serialize_frame(opcode: int, payload: bytes, mask: bytes = b"") -> bytes:
    """One whole frame; clients give four bytes to mask with (section 5.3), servers none."""
    if len(payload) > _MAX_SHORT:
        raise ValueError(f"a payload of {len(payload)} bytes; the demo sends at most {_MAX_SHORT}")
    head = bytes((_FINAL | opcode, len(payload) | (_MASKED if mask else 0)))
    return head + mask + _masked(payload, mask)


def read_frame(file: Readable) -> tuple[int, bytes]:
    """(opcode, payload) of the next frame. Raises ConnectionError when it is cut off, or of a kind not sent here."""
    head = _exactly(file, 2)
    size = head[1] & ~_MASKED
    if not head[0] & _FINAL or size > _MAX_SHORT:
        raise ConnectionError("a WebSocket frame of a kind that nobody sent")
    mask = _exactly(file, 4) if head[1] & _MASKED else b""
    return head[0] & 0x0F, _masked(_exactly(file, size), mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    if not mask:
        return payload
    return bytes(byte ^ mask[position % 4] for position, byte in enumerate(payload))


def _exactly(file: Readable, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise ConnectionError("the connection ended in the middle of a WebSocket frame")
    return content
