import tracemalloc
import zlib
from collections.abc import Callable
from itertools import product

import pytest
from tests.wire.content_codings import WRITERS, br, decoded, deflate, encoded, gzip, name_of, zstd
from tests.wire.pieces import cut_at, in_pieces

from iron_proxy.protocols.content_coding.codings import BadCoding, CodingBomb
from iron_proxy.protocols.content_coding.decoder import FREE_SIZE, Decoder, make_decoder

CONTENT = b'{"token": "proxy-token-0001", "text": "' + b"caf\xc3\xa9 " * 20 + b'"}'
MIB = 1024 * 1024
STACKS = [("gzip", "gzip"), ("deflate", "br"), ("br", "zstd"), ("zstd", "gzip"), ("gzip", "deflate", "zstd")]


def refused(codings: tuple[str, ...], wire: bytes) -> bool:
    try:
        decoded(codings, [wire])
    except BadCoding:
        return True
    return False


@pytest.mark.parametrize("writer", WRITERS)
def test_every_split_decodes_to_the_same(writer: str) -> None:
    wire = WRITERS[writer](CONTENT)

    for position in range(len(wire) + 1):
        assert decoded((name_of(writer),), cut_at(wire, [position])) == CONTENT
    for size in (1, 2, 3, 5):
        assert decoded((name_of(writer),), in_pieces(wire, size)) == CONTENT


@pytest.mark.parametrize("codings", STACKS, ids=", ".join)
def test_the_last_coding_of_the_field_is_taken_off_first(codings: tuple[str, ...]) -> None:
    wire = CONTENT
    for coding in codings:
        wire = WRITERS[coding](wire)

    for position in range(len(wire) + 1):
        assert decoded(codings, cut_at(wire, [position])) == CONTENT


@pytest.mark.parametrize("writer", WRITERS)
def test_a_body_that_holds_nothing_decodes_to_nothing(writer: str) -> None:
    assert decoded((name_of(writer),), [WRITERS[writer](b"")]) == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_of_no_bytes_is_accepted_as_clients_accept_it(coding: str) -> None:
    assert decoded((coding,), []) == b""
    assert decoded((coding, coding), [b"", b""]) == b""


@pytest.mark.parametrize("writer", WRITERS)
def test_a_body_that_is_cut_short_anywhere_is_an_error(writer: str) -> None:
    wire = WRITERS[writer](CONTENT)

    assert all(refused((name_of(writer),), wire[:end]) for end in range(1, len(wire)))


def test_an_inner_coding_that_is_cut_short_is_an_error() -> None:
    with pytest.raises(BadCoding, match="cut short"):
        decoded(("br", "gzip"), [gzip(br(CONTENT)[:-1])])


def test_what_follows_the_end_of_an_inner_coding_is_an_error() -> None:
    with pytest.raises(BadCoding, match="behind its end"):
        decoded(("deflate", "gzip"), [gzip(deflate(CONTENT) + b"more")])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_no_changed_byte_of_a_body_with_a_checksum_goes_unnoticed(coding: str) -> None:
    wire = WRITERS[coding](CONTENT)

    for position, flip in product(range(len(wire)), (0x01, 0x80, 0xFF)):
        changed = wire[:position] + bytes([wire[position] ^ flip]) + wire[position + 1 :]
        try:
            assert decoded((coding,), [changed]) == CONTENT     # a time stamp, a hint about the file system
        except BadCoding:
            pass


@pytest.mark.parametrize("writer", ["bare deflate", "br"])
def test_a_changed_byte_of_a_body_without_a_checksum_raises_nothing_foreign(writer: str) -> None:
    wire = WRITERS[writer](CONTENT)

    for position, flip in product(range(len(wire)), (0x01, 0x80, 0xFF)):
        refused((name_of(writer),), wire[:position] + bytes([wire[position] ^ flip]) + wire[position + 1 :])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_was_never_coded_is_an_error(coding: str) -> None:
    with pytest.raises(BadCoding):
        decoded((coding,), [CONTENT])


@pytest.mark.parametrize(("coding", "wire"), list(product(["gzip", "deflate", "br", "zstd"], WRITERS)))
def test_a_body_in_another_coding_is_an_error(coding: str, wire: str) -> None:
    if name_of(wire) != coding:
        with pytest.raises(BadCoding):
            decoded((coding,), [WRITERS[wire](CONTENT)])


def test_an_error_says_nothing_of_the_body() -> None:
    with pytest.raises(BadCoding) as caught:
        decoded(("gzip",), [CONTENT])

    assert str(caught.value) == "the body is not what its Content-Encoding says"


def test_to_decode_without_a_coding_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="needs no decoder"):
        make_decoder(())


# --- bare deflate is remembered, for the way back -------------------------------------------------------------------


@pytest.mark.parametrize(("writer", "is_bare"), [("deflate", False), ("bare deflate", True), ("gzip", False)])
def test_bare_deflate_is_known_from_its_first_two_bytes(writer: str, is_bare: bool) -> None:
    decoder = make_decoder((name_of(writer),))
    wire = WRITERS[writer](CONTENT)

    decoder.feed(wire[:1])
    assert not decoder.is_bare_deflate
    decoder.feed(wire[1:2])

    assert decoder.is_bare_deflate == is_bare


# --- limits ---------------------------------------------------------------------------------------------------------


def gzip_of_zeros(mebibytes: int) -> bytes:
    deflater = zlib.compressobj(9, wbits=31)
    return b"".join(deflater.compress(bytes(MIB)) for _ in range(mebibytes)) + deflater.flush()


def skipped_frame(size: int) -> bytes:
    """A zstd frame that is no content (RFC 8878 section 3.1.2)."""
    return b"\x50\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)


# What swells a thousand times and more, in content or on the way to it: codings, and how the body is made.
BOMBS: dict[str, tuple[tuple[str, ...], Callable[[], bytes]]] = {
    "br": (("br",), lambda: br(bytes(32 * MIB))),
    "zstd": (("zstd",), lambda: zstd(bytes(32 * MIB))),
    "gzip twice": (("gzip", "gzip"), lambda: gzip(gzip_of_zeros(32))),
    "gzip thrice": (("gzip", "gzip", "gzip"), lambda: gzip(gzip(gzip_of_zeros(32)))),
    "gzip in br": (("gzip", "br"), lambda: br(gzip_of_zeros(32))),
    "empty members in br": (("gzip", "br"), lambda: br(gzip(b"") * 100_000)),
    "empty stored blocks in zstd": (("deflate", "zstd"), lambda: zstd(b"\0\0\0\xff\xff" * 400_000)),
    "a skipped frame in gzip": (("zstd", "gzip"), lambda: gzip(skipped_frame(4 * MIB))),
}


def size_until_refused(decoder: Decoder, wire: bytes) -> int:
    size = 0
    with pytest.raises(CodingBomb):                # noqa: PT012 - what was decoded before is counted
        for piece in in_pieces(wire, 64 * 1024):
            decoder.feed(piece)
            while part := decoder.read():
                size += len(part)
                assert len(part) <= 64 * 1024
    return size


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_and_takes_no_memory(name: str) -> None:
    codings, make = BOMBS[name]
    wire = make()
    decoder = make_decoder(codings)

    tracemalloc.start()
    try:
        size = size_until_refused(decoder, wire)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size <= FREE_SIZE + 64 * 1024
    assert peak < 1 * MIB


@pytest.mark.slow
def test_a_gzip_body_of_zeros_is_no_bomb_for_gzip_cannot_swell_more() -> None:
    decoder = make_decoder(("gzip",))
    size = 0

    decoder.feed(gzip_of_zeros(40))
    while part := decoder.read():
        size += len(part)
    decoder.end()

    assert size == 40 * MIB


@pytest.mark.parametrize("writer", ["br", "zstd"])
def test_a_small_body_may_swell_as_it_likes(writer: str) -> None:
    assert decoded((writer,), [WRITERS[writer](bytes(FREE_SIZE))]) == bytes(FREE_SIZE)


@pytest.mark.parametrize("writer", WRITERS)
def test_the_caller_may_take_less(writer: str) -> None:
    wire = WRITERS[writer](CONTENT)

    assert decoded((name_of(writer),), [wire], max_size=len(CONTENT)) == CONTENT
    with pytest.raises(CodingBomb, match="too large"):
        decoded((name_of(writer),), [wire], max_size=len(CONTENT) - 1)


def test_what_the_caller_takes_is_what_the_outermost_content_has() -> None:
    wire = encoded(("gzip", "br"), [b"x"])

    assert decoded(("gzip", "br"), [wire], max_size=1) == b"x"
