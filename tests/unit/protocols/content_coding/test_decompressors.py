import itertools
import zlib

import pytest
from tests.wire.content_codings import WRITERS, bare_deflate, deflate, gzip, name_of, zstd, zstd_with_window
from tests.wire.pieces import in_pieces

from iron_proxy.protocols.content_coding.codings import BadCoding, CodingBomb
from iron_proxy.protocols.content_coding.decompressors import MAX_PIECE, Decompressor, is_zlib_header

WITH_MEMBERS = {"gzip": gzip, "zstd": zstd}
ZEROS = bytes(1_000_000)


def all_of(decompressor: Decompressor) -> list[bytes]:
    return list(iter(decompressor.read, b""))


@pytest.mark.parametrize("writer", WRITERS)
def test_a_piece_is_never_larger_than_it_may_be(writer: str) -> None:
    decompressor = Decompressor(name_of(writer))

    decompressor.feed(WRITERS[writer](ZEROS))
    pieces = all_of(decompressor)

    assert max(map(len, pieces)) <= MAX_PIECE
    assert b"".join(pieces) == ZEROS
    assert decompressor.is_complete


@pytest.mark.parametrize("size", [MAX_PIECE - 1, MAX_PIECE, MAX_PIECE + 1, 2 * MAX_PIECE, 32_752, 2 * 32_752])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_body_that_just_fills_its_pieces_comes_whole(writer: str, size: int) -> None:
    decompressor = Decompressor(name_of(writer))

    decompressor.feed(WRITERS[writer](bytes(size)))

    assert b"".join(all_of(decompressor)) == bytes(size)
    assert decompressor.is_complete


@pytest.mark.parametrize("writer", WRITERS)
def test_what_can_be_decoded_is_given_before_the_end_comes(writer: str) -> None:
    content = b"".join(b"%d " % (number * number) for number in range(100_000))
    wire = WRITERS[writer](content)
    decompressor = Decompressor(name_of(writer))

    decompressor.feed(wire[: len(wire) * 3 // 4])
    size = sum(map(len, all_of(decompressor)))

    assert size > len(content) // 2               # zstd decodes a block, of at most 128 KiB, when it is all here
    assert not decompressor.is_complete


@pytest.mark.parametrize("writer", WRITERS)
def test_pieces_that_are_fed_before_the_last_is_read_are_not_lost(writer: str) -> None:
    decompressor = Decompressor(name_of(writer))
    content = b"".join(b"%d " % number for number in range(50_000))

    for piece in in_pieces(WRITERS[writer](content), 1000):
        decompressor.feed(piece)
        first = decompressor.read()
        content = content.removeprefix(first)

    assert b"".join(all_of(decompressor)) == content
    assert decompressor.is_complete


@pytest.mark.parametrize("coding", WITH_MEMBERS)
def test_members_that_are_fed_before_the_last_is_read_are_not_lost(coding: str) -> None:
    decompressor = Decompressor(coding)
    member = WITH_MEMBERS[coding](bytes(MAX_PIECE + 1))
    wire = member * 3
    parts = []

    for piece in (wire[: len(member) + 5], wire[len(member) + 5 : -3], wire[-3:]):
        decompressor.feed(piece)
        parts.append(decompressor.read())

    assert b"".join([*parts, *all_of(decompressor)]) == bytes(3 * (MAX_PIECE + 1))
    assert decompressor.is_complete


def test_before_anything_is_fed_a_body_is_complete() -> None:
    assert all(Decompressor(name_of(writer)).is_complete for writer in WRITERS)
    assert all(Decompressor(name_of(writer)).read() == b"" for writer in WRITERS)


# --- where a body is several streams --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2, 3, 7, 20, 1000])
@pytest.mark.parametrize("coding", WITH_MEMBERS)
def test_members_follow_each_other(coding: str, step: int) -> None:
    contents = [b"one ", b"", b"two ", b"x" * 300, b"", b"three"]
    decompressor = Decompressor(coding)
    found = b""

    for piece in in_pieces(b"".join(map(WITH_MEMBERS[coding], contents)), step):
        decompressor.feed(piece)
        found += b"".join(all_of(decompressor))

    assert found == b"".join(contents)
    assert decompressor.is_complete


def test_a_frame_of_zstd_that_is_to_be_skipped_is_skipped() -> None:
    decompressor = Decompressor("zstd")
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"

    decompressor.feed(skippable + zstd(b"content") + skippable)

    assert all_of(decompressor) == [b"content"]
    assert decompressor.is_complete


@pytest.mark.parametrize("garbage", [b"\0", b"garbage", b"\r\n"])
@pytest.mark.parametrize("at_once", [True, False], ids=["in the last piece", "in a piece of its own"])
@pytest.mark.parametrize("writer", WRITERS)
def test_nothing_else_may_follow_the_end(writer: str, at_once: bool, garbage: bytes) -> None:
    decompressor = Decompressor(name_of(writer))
    coded = WRITERS[writer](b"content")

    def read_all() -> None:
        for piece in [coded + garbage] if at_once else [coded, garbage]:
            decompressor.feed(piece)
            all_of(decompressor)
        if not decompressor.is_complete:          # the beginning of a member, for all one can tell
            raise BadCoding

    with pytest.raises(BadCoding):
        read_all()


@pytest.mark.parametrize("writer", ["deflate", "bare deflate", "br"])
def test_a_second_stream_may_not_follow_where_the_coding_has_one(writer: str) -> None:
    decompressor = Decompressor(name_of(writer))
    coded = WRITERS[writer](b"content")

    decompressor.feed(coded)
    assert all_of(decompressor) == [b"content"]
    decompressor.feed(coded)

    with pytest.raises(BadCoding, match="behind its end"):
        decompressor.read()


@pytest.mark.parametrize("coding", WITH_MEMBERS)
def test_a_body_of_members_that_hold_nothing_is_a_bomb(coding: str) -> None:
    decompressor = Decompressor(coding)

    decompressor.feed(WITH_MEMBERS[coding](b"") * 1000)
    assert decompressor.read() == b""
    decompressor.feed(WITH_MEMBERS[coding](b""))

    with pytest.raises(CodingBomb, match="too many parts"):
        decompressor.read()


def test_a_member_for_each_record_is_no_bomb() -> None:
    record = b"level=info msg=ok " * 4
    decompressor = Decompressor("gzip")

    decompressor.feed(gzip(record) * 5000)

    assert b"".join(all_of(decompressor)) == record * 5000


# --- what each coding has of its own --------------------------------------------------------------------------------


def test_deflate_is_told_from_bare_deflate_though_it_comes_byte_by_byte() -> None:
    for coded in (deflate(b"hello"), bare_deflate(b"hello"), bare_deflate(b"")):
        decompressor = Decompressor("deflate")
        parts = []
        for piece in in_pieces(coded, 1):
            decompressor.feed(piece)
            parts += all_of(decompressor)

        assert b"".join(parts) in (b"hello", b"")
        assert decompressor.is_complete


def test_one_byte_of_deflate_is_not_a_body() -> None:
    decompressor = Decompressor("deflate")

    decompressor.feed(b"x")

    assert decompressor.read() == b""
    assert not decompressor.is_complete


def test_every_header_that_zlib_writes_is_known() -> None:
    for level, wbits in itertools.product(range(10), range(9, 16)):
        compressor = zlib.compressobj(level, wbits=wbits)
        assert is_zlib_header(compressor.compress(b"x") + compressor.flush())
        compressor = zlib.compressobj(level, wbits=-wbits)
        assert not is_zlib_header(compressor.compress(b"x") + compressor.flush())


def test_a_preset_dictionary_is_refused() -> None:
    compressor = zlib.compressobj(zdict=b"hello")
    decompressor = Decompressor("deflate")

    decompressor.feed(compressor.compress(b"hello") + compressor.flush())

    with pytest.raises(BadCoding):
        decompressor.read()


def test_a_zstd_window_of_8_mib_is_accepted() -> None:
    decompressor = Decompressor("zstd")

    decompressor.feed(zstd_with_window(b"content", 23))

    assert decompressor.read() == b"content"


@pytest.mark.parametrize("window_log", [24, 27, 30])
def test_a_larger_zstd_window_is_refused(window_log: int) -> None:
    decompressor = Decompressor("zstd")
    # The window's size is in the byte behind magic number and descriptor (RFC 8878 section 3.1.1.1.2).
    frame = bytearray(zstd_with_window(b"content", 23))
    frame[5] = (window_log - 10) << 3

    decompressor.feed(bytes(frame))

    with pytest.raises(BadCoding):
        decompressor.read()


def test_a_br_window_beyond_the_rfc_is_refused() -> None:
    decompressor = Decompressor("br")

    decompressor.feed(b"\x11\x1e" + bytes(20))    # the "large window" of 30 bits, which is not RFC 7932

    with pytest.raises(BadCoding):
        decompressor.read()
