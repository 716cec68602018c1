"""
Rewrite the text messages of a WebSocket that is being relayed: frames in, frames out (RFC 6455 section 5).

For one direction. Text is unmasked, joined over frames and fragments, rewritten, and framed anew; binary messages and
control frames pass as they are, the latter at once also where a message is being held. What the rewriting means is
the caller's business. It needs a session without extensions, which would compress the text or mean something by RSV
bits. Called by `proxy/upgraded_session.py`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from iron_proxy.errors import IronProxyError
from iron_proxy.protocols.websocket_close import header_size, payload_size

# RFC 6455 section 7.4.1: an endpoint has broken the protocol.
PROTOCOL_ERROR = 1002

# A message is held until it is whole, so that it arrives as one frame, as most are sent. A longer one goes on in
# fragments as it comes: a client decides how many bytes it sends, and may not decide how many we hold.
MAX_HELD_BYTES = 1024 * 1024

_CONTINUATION, _TEXT, _BINARY = 0x0, 0x1, 0x2
_CLOSE, _PING, _PONG = 0x8, 0x9, 0xA
_FINAL, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_MASKED = 0x80
_MASK_SIZE = 4
# RFC 6455 section 5.5: a control frame's payload.
_MAX_CONTROL_PAYLOAD = 125
# The largest length in 7 and in 16 bits, and the marks that say that 16 or 64 bits follow.
_IN_7, _IN_16 = 125, 0xFFFF
_LENGTH_16, _LENGTH_64 = 126, 127


class FrameViolation(IronProxyError):
    """One side broke RFC 6455; what it sent cannot be read for sure. The message is a fixed sentence."""

    status = 502


class TextStream(Protocol):
    """The rewriting of one message: pieces in, what may be passed on out. Pieces may end within a character."""

    def feed(self, piece: bytes) -> bytes:
        """What may be passed on now."""
        ...

    def end(self) -> bytes:
        """The rest: the message has ended."""
        ...


class TextRewriter(Protocol):
    """What is to be done to the text messages of one direction."""

    def begin(self, beginning: bytes) -> TextStream:
        """Begin a message, which is then fed from its first byte; `beginning` is all of it that is here."""
        ...


class MessageRewriting(NamedTuple):
    """What is to be done to text messages on their way; None leaves them alone."""

    to_upstream: TextRewriter | None
    to_client: TextRewriter | None


class MessageRewriter:
    """
    One direction. With `new_mask`, which gives four random bytes, it is the client's: masked frames in and out.

    The rewriters are applied one after the other.
    """

    def __init__(
        self,
        rewriters: Sequence[TextRewriter],
        new_mask: Callable[[], bytes] | None = None,
        max_held: int = MAX_HELD_BYTES,
    ) -> None:
        self._rewriters = tuple(rewriters)
        self._new_mask = new_mask
        self._max_held = max_held
        self._header = bytearray()  # of the frame that is being read
        self._left = 0  # of its payload
        self._mask = b""
        self._offset = 0  # into the payload, for the mask
        self._control: list[bytes] | None = None  # a control frame, held until it is whole
        self._is_final = False
        self._message: int | None = None  # the opcode of the message that is being read
        self._held = bytearray()  # its text
        self._streams: list[TextStream] | None = None  # it has become too long to be held
        self._is_begun = False  # and a fragment of it has been sent
        self._has_ended = False  # a Close has gone by: nothing may follow it

    def feed(self, data: bytes) -> bytes:
        """What goes to the other side now. Raises FrameViolation, after which nothing is read any more."""
        out: list[bytes] = []
        position, end = 0, len(data)
        try:
            while position < end and not self._has_ended:
                if not self._left:
                    position = self._read_header(data, position, out)
                else:
                    piece = data[position : position + self._left]
                    position += len(piece)
                    self._left -= len(piece)
                    self._take(piece, out)
        except FrameViolation:
            self._has_ended = True
            raise
        return out[0] if len(out) == 1 else b"".join(out)

    def _read_header(self, data: bytes, position: int, out: list[bytes]) -> int:
        """The position behind the header; what is here of one that is cut is kept."""
        header = self._header
        while len(header) < (size := header_size(header)):
            part = data[position : position + size - len(header)]
            if not part:
                return position
            header += part
            position += len(part)
            if len(header) == 2:  # before a wrong length is waited for
                self._check(header[0], header[1])
        self._left = payload_size(header)
        if self._left >> 63:
            raise FrameViolation("a frame's length has its highest bit set")
        self._mask, self._offset = bytes(header[-_MASK_SIZE:]) if header[1] & _MASKED else b"", 0
        self._begin_frame(header[0], bytes(header), out)
        header.clear()
        if not self._left:
            self._take(b"", out)
        return position

    def _check(self, first: int, second: int) -> None:
        opcode, is_final = first & _OPCODE, first & _FINAL
        if first & _RESERVED:
            raise FrameViolation("a frame has a reserved bit set, and no extension was agreed on")
        if bool(second & _MASKED) is not (self._new_mask is not None):
            raise FrameViolation("a client's frame is not masked, or a server's is")
        if opcode in (_CLOSE, _PING, _PONG):
            if not is_final or second & 0x7F > _MAX_CONTROL_PAYLOAD:
                raise FrameViolation("a control frame is fragmented or too long")
        elif opcode not in (_CONTINUATION, _TEXT, _BINARY):
            raise FrameViolation("a frame has a reserved opcode")
        elif (opcode == _CONTINUATION) is (self._message is None):
            raise FrameViolation("a message begins within another, or goes on without having begun")

    def _begin_frame(self, first: int, header: bytes, out: list[bytes]) -> None:
        opcode = first & _OPCODE
        if opcode >= _CLOSE:
            self._control = [header]
            return
        self._is_final = bool(first & _FINAL)
        if opcode != _CONTINUATION:
            self._message = opcode
        if self._message == _BINARY:
            out.append(header)

    def _take(self, piece: bytes, out: list[bytes]) -> None:
        """The next bytes of a payload; the last ones when nothing is left of it."""
        if self._control is not None:
            self._control.append(piece)
            if not self._left:
                out += self._control
                self._has_ended = self._control[0][0] & _OPCODE == _CLOSE
                self._control = None
            return
        if self._message == _BINARY:
            out.append(piece)
        else:
            self._take_text(_masked(piece, self._mask, self._offset), out)
            self._offset += len(piece)
        if self._is_final and not self._left:
            self._message = None

    def _take_text(self, text: bytes, out: list[bytes]) -> None:
        is_end = self._is_final and not self._left
        if self._streams is None:
            self._held += text
            if not is_end and len(self._held) <= self._max_held:
                return
            text = bytes(self._held)
            self._held = bytearray()
            self._streams = [rewriter.begin(text) for rewriter in self._rewriters]
        for stream in self._streams:
            text = stream.feed(text) + (stream.end() if is_end else b"")
        if text or is_end:
            opcode = _CONTINUATION if self._is_begun else _TEXT
            out.append(self._frame(opcode | (_FINAL if is_end else 0), text))
            self._is_begun = True
        if is_end:
            self._streams, self._is_begun = None, False

    def _frame(self, first: int, payload: bytes) -> bytes:
        size = len(payload)
        masked = 0 if self._new_mask is None else _MASKED
        if size <= _IN_7:
            header = bytes((first, masked | size))
        elif size <= _IN_16:
            header = bytes((first, masked | _LENGTH_16)) + size.to_bytes(2)
        else:
            header = bytes((first, masked | _LENGTH_64)) + size.to_bytes(8)
        if self._new_mask is None:
            return header + payload
        mask = self._new_mask()
        return header + mask + _masked(payload, mask, 0)


def _masked(payload: bytes, mask: bytes, offset: int) -> bytes:
    """A payload masked, or unmasked, from an offset into its frame on (RFC 6455 section 5.3)."""
    size = len(payload)
    if not mask or not size:
        return payload
    start = offset % _MASK_SIZE
    key = ((mask[start:] + mask[:start]) * (size // _MASK_SIZE + 1))[:size]
    # As one large number: some hundred times as fast as byte by byte.
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)
