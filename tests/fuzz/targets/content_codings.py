"""Coded bodies, as a hostile sender codes them."""

from tests.fuzz.targets.splits import splits

from iron_proxy.protocols.content_coding.codings import BadCoding, parse_codings
from iron_proxy.protocols.content_coding.decoder import FREE_SIZE, MAX_RATIO, make_decoder
from iron_proxy.protocols.content_coding.encoder import make_encoder

_CODINGS = (("gzip",), ("deflate",), ("br",), ("zstd",), ("gzip", "br"), ("zstd", "deflate"))
_PIECE = 64 * 1024
# Decoding more than this of one input tells nothing new, and takes the time of a thousand others.
_ENOUGH = 1024 * 1024


def check_body(wire: bytes) -> None:
    """In every coding: BadCoding only, the same at every split, in bounded pieces and within the ratio; round trip."""
    for codings in _CODINGS:
        whole = _decoded(codings, [wire])
        for pieces in splits(wire):
            assert _decoded(codings, pieces) == whole
    for codings in _CODINGS:
        encoder = make_encoder(codings)
        coded = b"".join(encoder.feed(piece) + encoder.flush() for piece in next(splits(wire))) + encoder.end()
        assert _decoded(codings, [coded]) == (wire, True)


def check_field(wire: bytes) -> None:
    """What Content-Encoding fields name: known codings, three at most, or None."""
    codings = parse_codings(wire.split(b"\0"))
    if codings:
        assert len(codings) <= 3
        make_decoder(codings)
        make_encoder(codings)
        assert parse_codings([", ".join(codings).encode()]) == codings


def _decoded(codings: tuple[str, ...], pieces: list[bytes]) -> tuple[bytes, bool] | None:
    """What a body decodes to and whether that is all; None for a refusal."""
    decoder = make_decoder(codings)
    content, size, fed = [], 0, 0
    try:
        for piece in pieces:
            decoder.feed(piece)
            fed += len(piece)
            while part := decoder.read():
                assert len(part) <= _PIECE
                content.append(part)
                size += len(part)
                assert size <= max(FREE_SIZE, fed * MAX_RATIO)
                if size > _ENOUGH:
                    return b"".join(content)[:_ENOUGH], False
        decoder.end()
    except BadCoding:
        return None
    return b"".join(content), True
