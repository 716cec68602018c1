"""
Any content comes back from any codings whatever the pieces; hostile bytes raise our errors only, at every split alike.
"""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.content_codings import WRITERS, decoded, encoded, name_of
from tests.wire.pieces import cut_at

from iron_proxy.protocols.content_coding.codings import BadCoding
from iron_proxy.protocols.content_coding.decoder import make_decoder
from iron_proxy.protocols.content_coding.encoder import make_encoder

CODINGS = st.lists(st.sampled_from(["gzip", "deflate", "br", "zstd"]), min_size=1, max_size=3)
# A unit and how often it is repeated, not what that gives: a report of 100 kB says nothing.
CONTENT = st.tuples(st.binary(max_size=300), st.just(1)) | st.tuples(st.binary(max_size=20), st.integers(0, 20_000))
CUTS = st.lists(st.integers(0, 2000), max_size=6)


def outcome(codings: list[str], pieces: list[bytes]) -> bytes | None:
    """What a body decodes to, None for a refusal."""
    try:
        return decoded(codings, pieces)
    except BadCoding:
        return None


@given(CODINGS, CONTENT, CUTS, CUTS)
@settings(max_examples=150)
def test_content_comes_back(
    codings: list[str], repeated: tuple[bytes, int], cuts: list[int], wire_cuts: list[int]
) -> None:
    content = repeated[0] * repeated[1]
    wire = encoded(codings, cut_at(content, cuts))

    assert decoded(codings, cut_at(wire, wire_cuts)) == content


@given(CODINGS, st.lists(st.tuples(st.binary(max_size=100), st.booleans()), max_size=10))
@settings(max_examples=150)
def test_flushes_change_nothing_but_when_content_comes(codings: list[str], pieces: list[tuple[bytes, bool]]) -> None:
    encoder, decoder = make_encoder(codings), make_decoder(codings)
    sent = received = b""

    for piece, flushes in pieces:
        decoder.feed(encoder.feed(piece) + (encoder.flush() if flushes else b""))
        sent += piece
        received += b"".join(iter(decoder.read, b""))
        assert not flushes or received == sent
    decoder.feed(encoder.end())
    received += b"".join(iter(decoder.read, b""))

    decoder.end()
    assert received == sent


@given(CODINGS, st.binary(max_size=200), CUTS)
@settings(max_examples=200)
def test_noise_raises_only_our_errors_and_at_every_split(codings: list[str], noise: bytes, cuts: list[int]) -> None:
    assert outcome(codings, [noise]) == outcome(codings, list(cut_at(noise, cuts)))


@given(st.sampled_from(sorted(WRITERS)), CONTENT, st.data())
@settings(max_examples=200)
def test_a_damaged_body_raises_only_our_errors_and_at_every_split(
    writer: str, repeated: tuple[bytes, int], data: st.DataObject
) -> None:
    content = repeated[0] * repeated[1]
    wire = WRITERS[writer](content)
    start = data.draw(st.integers(0, len(wire)))
    damaged = wire[:start] + data.draw(st.binary(max_size=4)) + wire[start + data.draw(st.integers(0, 4)) :]
    cuts = data.draw(CUTS)

    whole = outcome([name_of(writer)], [damaged])

    assert whole == outcome([name_of(writer)], list(cut_at(damaged, cuts)))
    if writer in ("gzip", "zstd"):
        assert whole in (None, content, b"")      # b"": no bytes at all, or frames to be skipped
