"""The frames that we write are those of RFC 9113."""

from tests.wire.http2_frames import data, frame, frames_in, go_away, reset, settings, window_update

from iron_proxy.protocols.http2 import frames
from iron_proxy.protocols.http2.frames import ErrorCode


def test_frames_are_written_as_published() -> None:
    assert frames.frame(frames.DATA, frames.END_STREAM, 5, b"abc") == data(5, b"abc", end=True)
    assert frames.frame_header(frames.DATA, 0, 5, 70_000) + b"x" * 70_000 == data(5, b"x" * 70_000)
    assert frames.settings_frame({3: 100, 4: 1 << 20}) == settings((3, 100), (4, 1 << 20))
    assert frames.window_update(7, 65_535) == window_update(7, 65_535)
    assert frames.reset_stream(7, ErrorCode.CANCEL) == reset(7, 8)
    assert frames.go_away(9, ErrorCode.ENHANCE_YOUR_CALM) == go_away(9, 11)


def test_numbers_are_read_back() -> None:
    assert frames.read_settings(settings((3, 100), (4, 7))[9:]) == [(3, 100), (4, 7)]
    assert frames.read_word(b"\0\0\0\1\0\0\0\2", 4) == 2


def test_a_head_that_one_frame_holds_is_one_frame() -> None:
    assert frames.header_frames(1, b"abc", end=True) == frame(1, 0x5, 1, b"abc")


def test_a_larger_head_goes_on_in_continuations() -> None:
    block = bytes(range(256)) * 160

    pieces = frames_in(frames.header_frames(1, block, end=True))

    assert [(kind, flags) for kind, flags, _, _ in pieces] == [(1, 0x1), (9, 0), (9, 0x4)]
    assert b"".join(payload for _, _, _, payload in pieces) == block
    assert max(len(payload) for _, _, _, payload in pieces) == 16_384
