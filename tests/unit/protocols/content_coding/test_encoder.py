import gzip
import zlib

import brotli
import pytest
from tests.wire.content_codings import decoded, encoded
from tests.wire.pieces import in_pieces

from iron_proxy.protocols.content_coding.decoder import make_decoder
from iron_proxy.protocols.content_coding.encoder import Encoder, make_encoder
from iron_proxy.protocols.content_coding.zstd_library import zstd_library

CONTENT = b"".join(b"line %d of a text that can be made shorter\n" % number for number in range(500))
CODINGS = [("gzip",), ("deflate",), ("br",), ("zstd",), ("deflate", "gzip"), ("gzip", "br", "zstd")]


@pytest.mark.parametrize("codings", CODINGS, ids=", ".join)
@pytest.mark.parametrize("size", [1, 100, 10**6])
def test_what_is_encoded_decodes_to_what_it_was(codings: tuple[str, ...], size: int) -> None:
    wire = encoded(codings, in_pieces(CONTENT, size))

    assert len(wire) < len(CONTENT) // 2
    assert decoded(codings, [wire]) == CONTENT


def test_others_read_what_is_encoded() -> None:
    assert gzip.decompress(encoded(("gzip",), [CONTENT])) == CONTENT
    assert zlib.decompress(encoded(("deflate",), [CONTENT])) == CONTENT
    assert brotli.decompress(encoded(("br",), [CONTENT])) == CONTENT
    assert zstd_library().decompress(encoded(("zstd",), [CONTENT])) == CONTENT


def test_the_first_coding_of_the_field_is_put_on_first() -> None:
    assert zlib.decompress(gzip.decompress(encoded(("deflate", "gzip"), [CONTENT]))) == CONTENT


@pytest.mark.parametrize("codings", CODINGS, ids=", ".join)
def test_nothing_has_a_coded_form(codings: tuple[str, ...]) -> None:
    wire = encoded(codings, [])

    assert wire
    assert decoded(codings, [wire]) == b""


@pytest.mark.parametrize("codings", CODINGS, ids=", ".join)
def test_what_is_flushed_can_be_decoded_at_once(codings: tuple[str, ...]) -> None:
    encoder = make_encoder(codings)
    decoder = make_decoder(codings)

    for number in range(20):
        event = b"data: %d\n\n" % number
        decoder.feed(encoder.feed(event) + encoder.flush())
        assert b"".join(iter(decoder.read, b"")) == event

    decoder.feed(encoder.end())
    assert decoder.read() == b""
    decoder.end()


@pytest.mark.parametrize("codings", CODINGS, ids=", ".join)
def test_a_flush_writes_nothing_where_nothing_waits(codings: tuple[str, ...]) -> None:
    encoder = make_encoder(codings)

    assert encoder.flush() == b""
    wire = encoder.feed(b"")                      # a header perhaps
    assert encoder.flush() == b""
    wire += encoder.feed(b"hello") + encoder.flush()
    assert encoder.flush() == b""

    assert decoded(codings, [wire, encoder.end()]) == b"hello"


def test_deflate_is_written_bare_where_it_came_bare() -> None:
    encoder = make_encoder(("deflate",), bare_deflate=True)

    wire = encoder.feed(CONTENT) + encoder.end()

    assert zlib.decompress(wire, wbits=-15) == CONTENT


def test_only_a_sole_deflate_can_be_bare() -> None:
    encoder: Encoder = make_encoder(("deflate", "gzip"), bare_deflate=True)

    assert zlib.decompress(gzip.decompress(encoder.feed(CONTENT) + encoder.end())) == CONTENT


def test_a_zstd_frame_can_be_read_with_a_small_window() -> None:
    library = zstd_library()
    wire = encoded(("zstd",), [bytes(range(256)) * 40_000])
    decompressor = library.ZstdDecompressor(options={library.DecompressionParameter.window_log_max: 20})

    assert len(decompressor.decompress(wire)) == 256 * 40_000


def test_to_encode_without_a_coding_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="needs no encoder"):
        make_encoder(())
