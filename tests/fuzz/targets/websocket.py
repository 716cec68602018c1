"""WebSocket frames, as the relay reads and rewrites them."""

from tests.fuzz.targets.splits import splits
from tests.wire.websocket_frames import CLOSE, MASK, frames_of

from iron_proxy.protocols.websocket_close import FrameFollower
from iron_proxy.protocols.websocket_messages import FrameViolation, MessageRewriter

# So small that inputs of this size go on in fragments too.
_MAX_HELD = 64


class _Unchanged:
    """Rewrites nothing, and holds back one byte, as a rewriter that looks for something does."""

    def begin(self, beginning: bytes) -> "_HoldingOne":
        return _HoldingOne()


class _HoldingOne:
    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        text = self._held + piece
        self._held = text[-1:]
        return text[:-1]

    def end(self) -> bytes:
        held, self._held = self._held, b""
        return held


def check_frames(wire: bytes) -> None:
    """
    FrameViolation only, and where it stands is the same at every split; what goes on are the same messages.

    A server's direction as well as a client's, of whose masks only those of what was rewritten are new.
    """
    for is_client in (False, True):
        whole = _rewritten([wire], is_client)
        _check_followed(whole[1])
        for pieces in splits(wire):
            cut = _rewritten(pieces, is_client)
            assert cut[0] == whole[0]
            if whole[0] is None:
                assert _messages(cut[1]) == _messages(whole[1])
        if whole[0] is None:
            assert _messages(whole[1]) == _messages(wire)[: len(_messages(whole[1]))]


def _rewritten(pieces: list[bytes], is_client: bool) -> tuple[str | None, bytes]:
    rewriter = MessageRewriter([_Unchanged()], (lambda: MASK) if is_client else None, _MAX_HELD)
    out = b""
    try:
        for piece in pieces:
            out += rewriter.feed(piece)
    except FrameViolation as violation:
        return str(violation), out
    return None, out


def _check_followed(wire: bytes) -> None:
    """A follower says of what goes on the same at every split, and knows a Close."""
    follower = FrameFollower()
    follower.follow(wire)
    for pieces in splits(wire):
        cut = FrameFollower()
        for piece in pieces:
            cut.follow(piece)
        assert (cut.takes_frame, cut.has_closed) == (follower.takes_frame, follower.has_closed)


def _messages(wire: bytes) -> list[tuple[int, bytes]]:
    """Whole messages and control frames up to the first Close; what is cut at the end does not count."""
    found: list[tuple[int, bytes]] = []
    opcode, parts = 0, b""
    for each in frames_of(_whole_frames(wire)):
        if each.opcode >= CLOSE:
            found.append((each.opcode, each.payload))
            if each.opcode == CLOSE:
                break
            continue
        opcode, parts = each.opcode or opcode, parts + each.payload
        if each.final:
            found.append((opcode, parts))
            opcode, parts = 0, b""
    return found


def _whole_frames(wire: bytes) -> bytes:
    """The wire up to the end of its last whole frame."""
    at = 0
    while len(wire) - at >= 2:
        size = wire[at + 1] & 0x7F
        width = 2 if size == 126 else 8 if size == 127 else 0
        start = at + 2 + width + (4 if wire[at + 1] & 0x80 else 0)
        if width:
            size = int.from_bytes(wire[at + 2 : at + 2 + width])
        if start + size > len(wire):
            break
        at = start + size
    return wire[:at]
