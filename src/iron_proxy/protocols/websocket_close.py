"""
End a WebSocket that is being relayed: where one frame ends and the next begins, and a Close frame (RFC 6455 section 5).

A frame of our own may stand only between two frames, so the headers and lengths of what goes by are followed; payloads
are neither kept nor read. A Close may stand inside a fragmented message, as every control frame may (section 5.4), and
extensions that were negotiated change neither header nor length. Called by `proxy/upgraded_session.py`.
"""

# RFC 6455 section 7.4.1: an endpoint is going away, such as a server that is going down.
GOING_AWAY = 1001

_CLOSE = 0x8
_FINAL = 0x80
_MASKED = 0x80
_MASK_SIZE = 4
# The 7-bit length says how many bytes of length follow it.
_LENGTH_16, _LENGTH_64 = 126, 127
# RFC 6455 section 5.5: a control frame's payload, of which a Close spends two on its code.
_MAX_CONTROL_PAYLOAD = 125


class FrameFollower:
    """Follows the frames of one direction. `has_closed` once a whole Close frame has gone by: nothing may follow it."""

    __slots__ = ("_header", "_is_close", "_payload_left", "has_closed")

    def __init__(self) -> None:
        self._header = bytearray()                # of a frame whose header is not all here
        self._payload_left = 0
        self._is_close = False
        self.has_closed = False

    @property
    def takes_frame(self) -> bool:
        """Whether a frame of our own may be sent now: the last one is complete, and it was no Close."""
        return not self._header and not self._payload_left and not self.has_closed

    def follow(self, data: bytes) -> None:
        """The next bytes have gone by."""
        position, end = 0, len(data)
        while position < end:
            if self._payload_left:
                step = min(self._payload_left, end - position)
                self._payload_left -= step
                position += step
            else:
                position = self._follow_header(data, position)
                if self._header:
                    return                        # cut: the rest is still to come
            if self._is_close and not self._payload_left:
                self.has_closed = True

    def _follow_header(self, data: bytes, position: int) -> int:
        """The position behind the header; what is here of one that is cut stays in `_header`."""
        header = self._header
        while len(header) < (size := header_size(header)):
            part = data[position : position + size - len(header)]
            if not part:
                return position
            header += part
            position += len(part)
        self._payload_left = payload_size(header)
        self._is_close = header[0] & 0x0F == _CLOSE
        header.clear()
        return position


def header_size(header: bytearray) -> int:
    """How long a header is, as far as its beginning tells."""
    if len(header) < 2:
        return 2
    length = header[1] & 0x7F
    extended = 2 if length == _LENGTH_16 else 8 if length == _LENGTH_64 else 0
    return 2 + extended + (_MASK_SIZE if header[1] & _MASKED else 0)


def payload_size(header: bytearray) -> int:
    """How long the payload behind a whole header is."""
    length = header[1] & 0x7F
    if length == _LENGTH_16:
        return int.from_bytes(header[2:4])
    return int.from_bytes(header[2:10]) if length == _LENGTH_64 else length


def close_frame(code: int, reason: str, mask: bytes | None = None) -> bytes:
    """A Close frame; `mask` is four random bytes for what goes to a server, None for what goes to a client."""
    payload = code.to_bytes(2) + reason.encode("utf-8")
    if len(payload) > _MAX_CONTROL_PAYLOAD:
        raise ValueError("the reason of a Close frame has at most 123 bytes")
    if mask is None:
        return bytes((_FINAL | _CLOSE, len(payload))) + payload
    masked = bytes(byte ^ mask[index % _MASK_SIZE] for index, byte in enumerate(payload))
    return bytes((_FINAL | _CLOSE, _MASKED | len(payload))) + mask + masked
