"""A body without its secrets as a source of pieces: at every split, waiting or not, decoded or not."""

import zlib
from collections.abc import Sequence

import pytest
from tests.fakes.body_source import FakeBodySource
from tests.unit.transforms.secrets.scrubbing_cases import REAL, TOKEN, redactor_of

from iron_proxy.errors import UpstreamProtocolError
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Pair
from iron_proxy.protocols.content_coding.decoder import make_decoder
from iron_proxy.transforms.secrets.scrubbed_body import DecodedBody, ScrubbedBody
from iron_proxy.transforms.secrets.streaming import LiveReplacement

TEXT = b"<" + REAL + b"> <" + REAL + b">"
CLEAN = b"<" + TOKEN + b"> <" + TOKEN + b">"


def scrubbed(source: FakeBodySource, counts: list[int] | None = None) -> ScrubbedBody:
    def found(by_needle: dict[bytes, int]) -> None:
        if counts is not None:
            counts.append(sum(by_needle.values()))

    def scrub_trailers(trailers: Sequence[Pair]) -> list[Pair]:
        return [(name, b"scrubbed") for name, _ in trailers]

    replacer = redactor_of().natural
    return ScrubbedBody(Body(source, None), LiveReplacement(lambda: replacer), found, scrub_trailers)


async def read_all(body: DecodedBody) -> bytes:
    pieces = []
    while piece := await body.read():
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("split", range(len(TEXT)))
async def test_the_text_is_scrubbed_wherever_it_is_split(split: int) -> None:
    counts: list[int] = []
    body = scrubbed(FakeBodySource([piece for piece in (TEXT[:split], TEXT[split:]) if piece], here=0), counts)

    pieces = []
    while piece := await body.read_body():
        pieces.append(piece)

    assert (b"".join(pieces), sum(counts)) == (CLEAN, 2)
    assert await body.read_body() == b""


def test_what_is_here_is_read_without_waiting() -> None:
    body = scrubbed(FakeBodySource([REAL[:3], REAL[3:6], REAL[6:] + b"!"]))

    assert [body.read_body_nowait() for _ in range(3)] == [TOKEN + b"!", b"", b""]


def test_what_is_not_here_has_to_be_waited_for() -> None:
    body = scrubbed(FakeBodySource([REAL[:3], REAL[3:]], here=1))

    assert body.read_body_nowait() is None


async def test_what_was_held_back_comes_at_the_end() -> None:
    body = scrubbed(FakeBodySource([b"x" + REAL[:5]], trailers=[(b"A", b"b")]))

    assert [await body.read_body() for _ in range(2)] == [b"x", REAL[:5]]
    assert body.trailers == [(b"A", b"scrubbed")]
    assert await body.read_body() == b""


async def test_a_coded_body_is_decoded_as_it_comes() -> None:
    coded = zlib.compress(b"some text " * 20_000)
    source = FakeBodySource([coded[:50], coded[50:]], here=1, trailers=[(b"A", b"b")])
    body = DecodedBody(Body(source, None), make_decoder(["deflate"]))

    pieces = [body.read_nowait()]
    while piece := await body.read():
        pieces.append(piece)

    assert b"".join(piece for piece in pieces if piece) == b"some text " * 20_000
    assert max(len(piece) for piece in pieces if piece) <= 64 * 1024
    assert (body.read_nowait(), body.trailers) == (b"", [(b"A", b"b")])


def test_a_coded_body_that_is_not_here_has_to_be_waited_for() -> None:
    assert DecodedBody(Body(FakeBodySource([b"x"], here=0), None), make_decoder(["gzip"])).read_nowait() is None


@pytest.mark.parametrize("coded", [b"not zlib at all", zlib.compress(b"text" * 100)[:-5]], ids=["other", "cut"])
async def test_a_body_that_cannot_be_decoded_is_the_upstreams_fault(coded: bytes) -> None:
    body = DecodedBody(Body(FakeBodySource([coded]), None), make_decoder(["deflate"]))

    with pytest.raises(UpstreamProtocolError, match="cannot be decoded"):
        await read_all(body)
