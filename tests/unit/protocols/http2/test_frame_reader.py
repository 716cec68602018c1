"""Frames from bytes: whole ones however they are cut, and what can be wrong with one by itself."""

from collections.abc import Iterable

import pytest
from tests.wire.http2_frames import OPENING, PREFACE, data, every_split, frame, settings

from iron_proxy.protocols.http2.frame_reader import Frame, FrameReader
from iron_proxy.protocols.http2.frames import ConnectionViolation, ErrorCode

CONVERSATION = (
    OPENING
    + frame(1, 0x1, 1, b"head")
    + frame(9, 0, 1, b"")
    + frame(9, 0x4, 1, b"more")
    + data(3, b"hello", end=True)
    + frame(0, 0x9, 3, b"\x02abc\0\0")
    + frame(1, 0x2C, 5, b"\x01\0\0\0\0\x10head\0")
    + frame(0xBE, 0xFF, 7, b"unknown")
    + frame(4, 0x1, 0)
)


def frames_of(pieces: Iterable[bytes], *, expects_preface: bool = True) -> list[Frame]:
    reader = FrameReader(65_536, expects_preface=expects_preface)
    return [found for piece in pieces for found in reader.read(piece)]


def code_of(wire: bytes) -> ErrorCode:
    with pytest.raises(ConnectionViolation) as caught:
        frames_of([OPENING + wire])
    return caught.value.code


def test_frames_are_read_the_same_at_every_split() -> None:
    expected = [
        (4, 0, 0, b"", 0), (1, 0x1, 1, b"headmore", 0), (0, 0x1, 3, b"hello", 5), (0, 0x9, 3, b"abc", 6),
        (1, 0x2C, 5, b"head", 0), (0xBE, 0xFF, 7, b"unknown", 0), (4, 0x1, 0, b"", 0),
    ]  # fmt: skip

    assert frames_of([CONVERSATION]) == expected
    for pieces in every_split(CONVERSATION):
        assert frames_of(pieces) == expected


@pytest.mark.parametrize("wire", [b"GET / HTTP/1.1\r\n", b"P", b"PRI * HTTP/2.0\r\n\r\nXX", b"\x16\x03\x01"])
def test_what_does_not_begin_as_http_2_is_told_at_its_first_wrong_byte(wire: bytes) -> None:
    if wire == b"P":
        assert frames_of([wire]) == []
        return
    with pytest.raises(ConnectionViolation):
        frames_of([wire])


@pytest.mark.parametrize("first", [frame(6, 0, 0, b"12345678"), frame(4, 0x1, 0), frame(1, 0x5, 1), data(1, b"a")])
def test_settings_come_first(first: bytes) -> None:
    with pytest.raises(ConnectionViolation):
        frames_of([PREFACE + first])
    with pytest.raises(ConnectionViolation):
        frames_of([first], expects_preface=False)


def test_an_upstream_sends_no_preface() -> None:
    assert frames_of([settings()], expects_preface=False) == [(4, 0, 0, b"", 0)]


def test_a_frame_that_is_too_large_is_refused_before_it_has_come() -> None:
    assert code_of(data(1, b"x" * 16_385)[:9]) == ErrorCode.FRAME_SIZE_ERROR


@pytest.mark.parametrize(
    "wire",
    [frame(2, 0, 1, b"1234"), frame(3, 0, 1, b"123"), frame(4, 0, 0, b"12345"), frame(4, 1, 0, b"123456"),
     frame(6, 0, 0, b"1234567"), frame(7, 0, 0, b"1234567"), frame(8, 0, 0, b"12345"), frame(1, 0x24, 1, b"1234")],
    ids=["PRIORITY", "RST_STREAM", "SETTINGS", "SETTINGS acknowledged", "PING", "GOAWAY", "WINDOW_UPDATE", "HEADERS"],
)  # fmt: skip
def test_a_frame_has_the_length_of_its_type(wire: bytes) -> None:
    assert code_of(wire) == ErrorCode.FRAME_SIZE_ERROR


@pytest.mark.parametrize(
    "wire",
    [data(0, b"a"), frame(1, 0x4, 0), frame(2, 0, 0, b"12345"), frame(3, 0, 0, b"1234"), frame(4, 0, 1),
     frame(6, 0, 1, b"12345678"),
     frame(7, 0, 1, b"12345678"), frame(9, 0x4, 0), frame(9, 0x4, 1), frame(5, 0x4, 1, b"\0\0\0\2")],
    ids=["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PING", "GOAWAY", "CONTINUATION", "a lone one",
         "PUSH_PROMISE"],
)  # fmt: skip
def test_a_frame_stands_where_its_type_can_stand(wire: bytes) -> None:
    assert code_of(wire) == ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "between",
    [data(1, b"a"), frame(9, 0x4, 3), frame(1, 0x4, 3), frame(6, 0, 0, b"12345678"), frame(0xBE, 0, 1), settings()],
)
def test_nothing_comes_between_the_frames_of_a_head(between: bytes) -> None:
    assert code_of(frame(1, 0, 1, b"a") + between) == ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize("wire", [frame(0, 0x8, 1), frame(0, 0x8, 1, b"\x01"), frame(1, 0xC, 1, b"\x05abc")])
def test_padding_is_less_than_the_frame(wire: bytes) -> None:
    assert code_of(wire) == ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "wire",
    [frame(1, 0, 1) + frame(9, 0, 1) * 17, frame(1, 0, 1) + frame(9, 0, 1, b"x" * 16_384) * 5],
    ids=["in number", "in size"],
)
def test_continuations_end(wire: bytes) -> None:  # CVE-2024-27316
    assert code_of(wire) == ErrorCode.ENHANCE_YOUR_CALM


def test_what_is_held_is_one_frame_and_one_head() -> None:
    reader = FrameReader(65_536, expects_preface=True)

    list(
        reader.read(
            OPENING + frame(1, 0, 1, b"x" * 16_384) * 1 + frame(9, 0, 1, b"x" * 10_000) + data(1, b"x" * 500)[:100]
        )
    )

    assert reader.held_bytes == 16_384 + 10_000 + 100


@pytest.mark.parametrize(
    ("wire", "is_mid_head"),
    [
        (b"", True),
        (PREFACE[:5], True),
        (PREFACE, True),
        (OPENING[:-1], True),
        (OPENING, False),
        (OPENING + b"\0", True),
        (OPENING + frame(1, 0x4, 1, b"head")[:-1], True),
        (OPENING + frame(1, 0, 1, b"head"), True),
        (OPENING + frame(1, 0, 1, b"head") + frame(9, 0x4, 1), False),
        (OPENING + data(1, b"hello")[:4], False),
        (OPENING + data(1, b"hello")[:-1], False),
        (OPENING + frame(6, 0, 0, b"12345678")[:-1], True),
    ],
)
def test_what_ends_within_a_head_is_known(wire: bytes, is_mid_head: bool) -> None:
    reader = FrameReader(65_536, expects_preface=True)
    list(reader.read(wire))

    assert reader.is_mid_head is is_mid_head


def test_a_head_counts_once_it_is_whole() -> None:
    reader = FrameReader(65_536, expects_preface=True)
    list(reader.read(OPENING + frame(1, 0, 1, b"head") + frame(9, 0, 1)))
    before = reader.completed
    list(reader.read(frame(9, 0x4, 1)))

    assert (before, reader.completed) == (1, 2)
