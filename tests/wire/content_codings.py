"""Coded bodies as other programs write them, and as hostile ones might."""

import zlib
from collections.abc import Callable, Iterable, Sequence

import brotli

from iron_proxy.protocols.content_coding.decoder import make_decoder
from iron_proxy.protocols.content_coding.encoder import make_encoder
from iron_proxy.protocols.content_coding.zstd_library import zstd_library


def gzip(content: bytes) -> bytes:
    return zlib.compress(content, 9, wbits=31)


def deflate(content: bytes) -> bytes:
    return zlib.compress(content, 9)


def bare_deflate(content: bytes) -> bytes:
    return zlib.compress(content, 9, wbits=-15)


def br(content: bytes) -> bytes:
    coded: bytes = brotli.compress(content, quality=9)
    return coded


def zstd(content: bytes) -> bytes:
    """One frame, with a checksum behind its content."""
    library = zstd_library()
    coded: bytes = library.compress(content, options={library.CompressionParameter.checksum_flag: 1})
    return coded


def zstd_with_window(content: bytes, window_log: int) -> bytes:
    """A frame whose reader must hold 2 to the power of `window_log` bytes, for it does not say how long it is."""
    library = zstd_library()
    compressor = library.ZstdCompressor(options={library.CompressionParameter.window_log: window_log})
    coded: bytes = compressor.compress(content) + compressor.flush()
    return coded


# By the name of the coding as the field has it, and "bare deflate" for the other thing that is called deflate.
WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip,
    "deflate": deflate,
    "bare deflate": bare_deflate,
    "br": br,
    "zstd": zstd,
}


def name_of(writer: str) -> str:
    """The coding's name in the field."""
    return writer.removeprefix("bare ")


def decoded(codings: Sequence[str], pieces: Iterable[bytes], max_size: int | None = None) -> bytes:
    """What a whole body decodes to. Raises what the decoder raises."""
    decoder = make_decoder(codings, max_size)
    content = []
    for piece in pieces:
        decoder.feed(piece)
        while part := decoder.read():
            content.append(part)
    decoder.end()
    return b"".join(content)


def encoded(codings: Sequence[str], pieces: Iterable[bytes]) -> bytes:
    """A whole body, coded by us."""
    encoder = make_encoder(codings)
    return b"".join([encoder.feed(piece) for piece in pieces]) + encoder.end()
