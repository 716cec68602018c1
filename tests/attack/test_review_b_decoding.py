"""Bodies that are never ended: what all of them make us hold is bounded, and small ones are served on."""

import brotli
import pytest
from backports import zstd

from iron_proxy.protocols.content_coding.codings import CodingBomb
from iron_proxy.protocols.content_coding.decoder import Decoder, make_decoder
from iron_proxy.protocols.content_coding.encoder import make_encoder
from iron_proxy.protocols.content_coding.window_budget import FREE_BYTES, MAX_BYTES, WindowShare

SWOLLEN = 8 << 20


def swollen(coding: str) -> bytes:
    """Some bytes that fill a window, and a body that goes on behind them."""
    if coding == "br":
        compressor = brotli.Compressor(quality=5, lgwin=24)
        content: bytes = compressor.process(bytes(SWOLLEN)) + compressor.flush()
        return content
    encoder = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 23})
    return encoder.compress(bytes(SWOLLEN)) + encoder.flush(encoder.FLUSH_BLOCK)


def resident() -> int:
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1]) * 1024


def begun(coding: str, content: bytes) -> Decoder:
    """A decoder that has read all there is of a body."""
    decoder = make_decoder((coding,))
    decoder.feed(content)
    while decoder.read():
        pass
    return decoder


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_windows_that_nobody_ends_are_bounded_over_all_bodies(coding: str) -> None:
    before, content = resident(), swollen(coding)
    held: list[Decoder] = []

    with pytest.raises(CodingBomb):
        held.extend(begun(coding, content) for _ in range(200))

    assert 10 < len(held) < 100
    assert resident() - before < MAX_BYTES * 2
    small = brotli.compress(bytes(FREE_BYTES))
    begun("br", small).end()
    held.clear()
    assert WindowShare.in_use == 0
    begun(coding, content)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
def test_what_codes_a_body_again_holds_little_however_long_it_is(coding: str) -> None:
    before, encoders = resident(), [make_encoder((coding,)) for _ in range(30)]

    for encoder in encoders:
        for _ in range(SWOLLEN // 65_536):
            encoder.feed(bytes(65_536))

    assert (resident() - before) / len(encoders) < 2 << 20
