import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side

from iron_proxy.protocols.websocket_close import GOING_AWAY, FrameFollower, close_frame

MASK = b"\x01\x02\x03\x04"


def frame(
    payload: bytes = b"", opcode: int = 2, *, masked: bool = False, final: bool = True, length_bytes: int = 0
) -> bytes:
    """One frame; `length_bytes` of 2 or 8 writes its length longer than need be."""
    size = len(payload)
    length_bytes = length_bytes or (8 if size > 0xFFFF else 2 if size > 125 else 0)
    short = {0: size, 2: 126, 8: 127}[length_bytes]
    head = bytes(((0x80 if final else 0) | opcode, (0x80 if masked else 0) | short))
    return head + (size.to_bytes(length_bytes) if length_bytes else b"") + (MASK if masked else b"") + payload


FRAMES = {
    "empty": frame(),
    "one byte": frame(b"x"),
    "the longest with a short length": frame(b"x" * 125),
    "the shortest with 16 bits of length": frame(b"x" * 126),
    "16 bits of length": frame(b"x" * 300),
    "64 bits of length": frame(b"x" * 70_000),
    "a length longer than need be": frame(b"abc", length_bytes=8),
    "masked": frame(b"hello", masked=True),
    "masked and empty": frame(masked=True),
    "masked and long": frame(b"x" * 300, masked=True),
    "a fragment": frame(b"frag", 1, final=False),
    "compressed": bytes((0xC1, 3)) + b"abc",
    "ping": frame(b"?", 9),
}


def followed(*pieces: bytes) -> FrameFollower:
    follower = FrameFollower()
    for piece in pieces:
        follower.follow(piece)
    return follower


def test_before_the_first_frame_one_of_ours_may_be_sent() -> None:
    assert FrameFollower().takes_frame


@pytest.mark.parametrize("content", FRAMES.values(), ids=FRAMES)
def test_only_at_its_end_a_frame_of_ours_may_follow(content: bytes) -> None:
    ends = range(1, len(content)) if len(content) < 1000 else (1, 2, 3, 9, 10, 11, len(content) - 1)

    assert not any(followed(content[:end]).takes_frame for end in ends)
    assert followed(content).takes_frame
    assert not followed(content).has_closed


@pytest.mark.parametrize("content", [each for each in FRAMES.values() if len(each) < 1000])
def test_every_split_of_two_frames_comes_to_the_same(content: bytes) -> None:
    both = content + frame(b"next", masked=True)

    for cut in range(len(both) + 1):
        follower = followed(both[:cut], both[cut:])
        assert follower.takes_frame, cut
        follower.follow(b"\x82")
        assert not follower.takes_frame


@given(
    st.lists(st.tuples(st.binary(max_size=200), st.sampled_from([0, 1, 2, 9, 10]), st.booleans()), max_size=8),
    st.lists(st.integers(1, 7), min_size=1, max_size=20),
)
def test_any_frames_in_any_pieces(frames: list[tuple[bytes, int, bool]], sizes: list[int]) -> None:
    wire = b"".join(frame(payload, opcode, masked=masked) for payload, opcode, masked in frames)
    follower, position, turn, boundaries = FrameFollower(), 0, 0, set()
    end = 0
    for payload, opcode, masked in frames:
        end += len(frame(payload, opcode, masked=masked))
        boundaries.add(end)

    while position < len(wire):
        step = sizes[turn % len(sizes)]
        follower.follow(wire[position : position + step])
        position, turn = min(position + step, len(wire)), turn + 1
        assert follower.takes_frame == (position in boundaries)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8bye"])
def test_behind_a_close_nothing_may_follow(payload: bytes, masked: bool) -> None:
    content = frame(b"last") + frame(payload, 8, masked=masked)

    for cut in range(len(content) + 1):
        first = followed(content[:cut])
        assert first.has_closed == (cut == len(content))
        follower = followed(content[:cut], content[cut:])
        assert follower.has_closed
        assert not follower.takes_frame


def test_the_largest_length_that_can_be_written_is_followed() -> None:
    follower = followed(b"\x82\x7f" + b"\xff" * 8, b"x" * 100_000)

    assert not follower.takes_frame


def test_a_close_for_a_client_is_read_by_a_client() -> None:
    client = Protocol(Side.CLIENT)

    client.receive_data(close_frame(GOING_AWAY, "the proxy is shutting down"))

    assert client.close_rcvd == Close(1001, "the proxy is shutting down")


def test_a_close_for_a_server_is_masked() -> None:
    server = Protocol(Side.SERVER)
    content = close_frame(GOING_AWAY, "too long", MASK)

    server.receive_data(content)

    [received] = server.events_received()
    assert isinstance(received, Frame)
    assert (received.opcode, server.close_rcvd) == (Opcode.CLOSE, Close(1001, "too long"))
    assert b"too long" not in content


def test_a_reason_that_no_close_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 123 bytes"):
        close_frame(GOING_AWAY, "x" * 124)
