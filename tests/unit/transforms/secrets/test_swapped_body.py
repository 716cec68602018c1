"""Bodies whose tokens are swapped on their way: over the limit, or of unknown length and still arriving."""

import gc
import gzip
import hashlib
import weakref
import zlib
from base64 import b64encode

import pytest
from tests.fakes.body_source import FakeBodySource
from tests.fakes.secret_source import FakeSource
from tests.unit.transforms.secrets.building import (
    REAL,
    TOKEN,
    PiecewiseBody,
    content_of,
    exchange_of,
    replacing,
    send,
    swapped,
)

from iron_proxy.errors import TransformError
from iron_proxy.matching.rule import Rule
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Pair
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import CONTINUE, Reject
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.transform import SecretsTransform

REAL_BYTES = REAL.encode()
SAME_LENGTH = "r" * len(TOKEN)
LONG = b"x" * 100


def arriving(
    *pieces: bytes, length: int | None = None, headers: tuple[Pair, ...] = (), scheme: str = "https"
) -> Exchange:
    """A request whose body is still arriving."""
    return exchange_of(*headers, body=Body(PiecewiseBody(*pieces), length), method="POST", scheme=scheme)


def sized(*pieces: bytes, headers: tuple[Pair, ...] = ()) -> Exchange:
    return arriving(*pieces, length=sum(map(len, pieces)), headers=headers)


async def forwarded(exchange: Exchange) -> tuple[bytes, int | None]:
    length = exchange.request.body.length
    return await content_of(exchange), length


def transform_of(*sources: FakeSource, limit: int = 50, allow_plaintext: bool = True) -> SecretsTransform:
    rules = (Rule.for_host("api.openai.com"),)
    how = Replacement(TOKEN, in_body=True)
    return SecretsTransform(
        [Entry(source, rules, how, allow_plaintext=allow_plaintext) for source in sources], limit
    )


# --- over the limit ---------------------------------------------------------------------------------------------------


async def test_a_token_in_the_beginning_lets_the_whole_body_be_swapped_and_its_length_open() -> None:
    exchange = sized(TOKEN, LONG, TOKEN, LONG)

    assert await send(replacing("match_body: true", limit=50), exchange) is CONTINUE

    assert await forwarded(exchange) == (REAL_BYTES + LONG + REAL_BYTES + LONG, None)
    assert exchange.notes == {**swapped("body"), "body_truncated": True}


async def test_a_body_that_was_swapped_does_not_wait_for_the_collector() -> None:
    exchange = sized(TOKEN, LONG, TOKEN, LONG)
    gc.disable()
    try:
        await send(replacing("match_body: true", limit=50), exchange)
        await forwarded(exchange)
        gone = weakref.ref(exchange.request.body._source)
        del exchange

        assert gone() is None
    finally:
        gc.enable()


async def test_a_secret_as_long_as_its_token_keeps_the_length() -> None:
    exchange = sized(TOKEN + LONG, TOKEN)

    await send(replacing("match_body: true", limit=50, environment={"OPENAI_API_KEY": SAME_LENGTH}), exchange)

    assert await forwarded(exchange) == (SAME_LENGTH.encode() + LONG + SAME_LENGTH.encode(), 2 * len(TOKEN) + 100)


@pytest.mark.parametrize("real", [REAL, SAME_LENGTH], ids=["another length", "the same length"])
async def test_a_later_token_is_swapped_only_where_the_promised_length_stays(real: str) -> None:
    exchange = sized(LONG, TOKEN)

    await send(replacing("match_body: true", limit=50, environment={"OPENAI_API_KEY": real}), exchange)

    content, length = await forwarded(exchange)
    if real is SAME_LENGTH:
        assert (content, exchange.notes) == (LONG + real.encode(), {"body_truncated": True, **swapped("body")})
    else:
        assert (content, exchange.notes) == (LONG + TOKEN, {"body_truncated": True, "token_unswapped": ["body"]})
    assert length == len(content)


async def test_a_compressed_body_is_swapped_on_its_way_too() -> None:
    wire = gzip.compress(TOKEN + LONG + TOKEN, 1)
    exchange = sized(wire[:20], wire[20:], headers=((b"Content-Encoding", b"gzip"),))

    await send(replacing("match_body: true", limit=50), exchange)

    content, length = await forwarded(exchange)
    assert (gzip.decompress(content), length) == (REAL_BYTES + LONG + REAL_BYTES, None)


async def test_a_compressed_body_without_a_token_in_its_beginning_goes_as_it_is() -> None:
    wire = gzip.compress(LONG + TOKEN)
    exchange = sized(wire, headers=((b"Content-Encoding", b"gzip"),))

    await send(replacing("match_body: true", limit=50), exchange)

    assert await forwarded(exchange) == (wire, len(wire))
    assert exchange.notes == {"body_truncated": True}


@pytest.mark.parametrize("name", [b"Content-MD5", b"x-amz-checksum-sha256"])
async def test_a_digest_cannot_be_written_before_the_body(name: bytes) -> None:
    exchange = sized(TOKEN, LONG, headers=((name, b64encode(hashlib.md5(TOKEN + LONG).digest())),))

    verdict = await send(replacing("match_body: true", limit=50), exchange)

    assert isinstance(verdict, Reject)
    assert exchange.notes["reject_reason"] == "body_digest"


# --- of unknown length ------------------------------------------------------------------------------------------------


async def test_a_body_that_is_still_arriving_is_not_waited_for() -> None:
    class Talking(PiecewiseBody):
        asked = 0

        async def read_body(self) -> bytes:
            self.asked += 1
            return await super().read_body()

    source = Talking(b"one", b"two " + TOKEN[:5], TOKEN[5:] + b" three")
    exchange = exchange_of(body=Body(source, None))

    await send(replacing("match_body: true"), exchange)

    assert (source.asked, exchange.request.body.length) == (0, None)
    assert [await exchange.request.body.read() for _ in range(4)] == [b"one", b"two ", REAL_BYTES + b" three", b""]
    assert exchange.notes == {"body_streamed": True, **swapped("body")}


async def test_a_required_token_is_waited_for() -> None:
    exchange = arriving(b"a", TOKEN)

    assert await send(replacing("match_body: true, require: true"), exchange) is CONTINUE

    assert await forwarded(exchange) == (b"a" + REAL_BYTES, len(REAL) + 1)
    assert exchange.notes == swapped("body")


async def test_a_required_token_in_a_header_makes_waiting_needless() -> None:
    exchange = arriving(b"a", TOKEN, headers=((b"X-Key", TOKEN),))

    await send(replacing("match_body: true, require: true"), exchange)

    assert await forwarded(exchange) == (b"a" + REAL_BYTES, None)
    assert exchange.notes == {**swapped("header:X-Key", "body"), "body_streamed": True}


async def test_each_compressed_message_can_be_read_at_once() -> None:
    first = gzip.compress(TOKEN)
    exchange = arriving(first, gzip.compress(b" second"), headers=((b"Content-Encoding", b"gzip"),))
    await send(replacing("match_body: true"), exchange)

    reader = zlib.decompressobj(31)
    messages = []
    while piece := await exchange.request.body.read():
        messages.append(reader.decompress(piece))

    assert messages[:2] == [REAL_BYTES, b" second"]
    assert reader.eof


async def test_trailers_come_behind_the_body() -> None:
    source = PiecewiseBody(b"a", TOKEN)
    source.trailers = [(b"X-Sum", b"1")]
    exchange = exchange_of(body=Body(source, None))

    await send(replacing("match_body: true"), exchange)
    await content_of(exchange)

    assert exchange.request.body.trailers == [(b"X-Sum", b"1")]


# --- secrets that come too late, or must not go -----------------------------------------------------------------------


async def test_a_secret_is_fetched_when_its_token_has_come() -> None:
    source = FakeSource("K", REAL)
    exchange = arriving(b"a", TOKEN, b"b", TOKEN)
    await send(transform_of(source), exchange)

    pieces = [await exchange.request.body.read()]
    before = source.fetches
    pieces += [await exchange.request.body.read() for _ in range(3)]

    assert (before, source.fetches) == (0, 1)
    assert pieces == [b"a", REAL_BYTES, b"b", REAL_BYTES]


async def test_without_waiting_there_is_none_while_a_secret_has_to_be_fetched() -> None:
    class Here(PiecewiseBody):
        def read_body_nowait(self) -> bytes | None:
            return self._pieces.pop(0) if self._pieces and self._pieces[0] != b"later" else None

    source = FakeSource("K", REAL)
    exchange = exchange_of(body=Body(Here(b"a", TOKEN + b"b", b"later"), None))
    await send(transform_of(source), exchange)
    body = exchange.request.body

    assert [body.read_nowait(), body.read_nowait(), body.read_nowait()] == [b"a", None, None]
    assert await body.read() == REAL_BYTES + b"b"
    assert (body.read_nowait(), await body.read()) == (None, b"later")


@pytest.mark.parametrize("here", [0, 1, 2, None])
async def test_a_compressed_body_is_read_as_far_as_it_is_here_and_then_waited_for(here: int | None) -> None:
    wire = gzip.compress(TOKEN + LONG + TOKEN, 1) + gzip.compress(TOKEN)
    source = FakeBodySource([wire[:20], wire[20:60], wire[60:]], here=here, trailers=[(b"X-Sum", b"1")])
    exchange = exchange_of((b"Content-Encoding", b"gzip"), body=Body(source, None), method="POST")
    await send(replacing("match_body: true", limit=50), exchange)
    body, waits = exchange.request.body, 0
    pieces: list[bytes] = []

    while not pieces or pieces[-1]:
        piece = body.read_nowait()
        if piece is None:
            waits += 1
            piece = await body.read()
        pieces.append(piece)

    assert gzip.decompress(b"".join(pieces)) == REAL_BYTES + LONG + REAL_BYTES * 2
    assert body.trailers == [(b"X-Sum", b"1")]
    assert (waits == 0) == (here is None)


async def test_the_next_owner_of_a_token_is_asked_where_the_first_has_no_secret() -> None:
    exchange = arriving(TOKEN)
    await send(transform_of(FakeSource("A", None), FakeSource("B", REAL)), exchange)

    assert await content_of(exchange) == REAL_BYTES
    assert exchange.notes == {"body_streamed": True, **swapped("body", secret="B")}


async def test_a_secret_that_cannot_be_had_breaks_the_request_off() -> None:
    exchange = arriving(b"a", TOKEN)
    await send(transform_of(FakeSource("K", None)), exchange)

    with pytest.raises(TransformError, match='secret "K" is unavailable'):
        await content_of(exchange)


async def test_a_secret_does_not_go_in_clear() -> None:
    exchange = arriving(b"a", TOKEN, scheme="http")
    await send(transform_of(FakeSource("K", REAL), allow_plaintext=False), exchange)

    with pytest.raises(TransformError, match='secret "K" would go over plain HTTP'):
        await content_of(exchange)


@pytest.mark.parametrize("place", ["header", "trailer"])
async def test_a_digest_breaks_the_request_off(place: str) -> None:
    digest = (b"Content-Digest", b"sha-256=:x:")
    source = PiecewiseBody(b"a", TOKEN)
    source.trailers = [digest] if place == "trailer" else []
    exchange = exchange_of(*([digest] if place == "header" else []), body=Body(source, None))
    await send(replacing("match_body: true"), exchange)

    with pytest.raises(TransformError, match="content-digest vouches for it"):
        await content_of(exchange)


async def test_grpc_messages_keep_the_lengths_that_are_written_in_them() -> None:
    exchange = arriving(b"\x00\x00\x00\x00\x13", TOKEN, headers=((b"Content-Type", b"application/grpc"),))
    await send(replacing("match_body: true"), exchange)

    assert await content_of(exchange) == b"\x00\x00\x00\x00\x13" + TOKEN
    assert exchange.notes == {"body_streamed": True, "token_unswapped": ["body"]}


@pytest.mark.slow
async def test_a_body_that_becomes_huge_on_its_way_breaks_off() -> None:
    rules = (Rule.for_host("api.openai.com"),)
    entry = Entry(FakeSource("K", "the-value-" * 100_000), rules, Replacement(TOKEN, in_body=True))
    exchange = exchange_of(body=Body(PiecewiseBody(*[TOKEN] * 20), None))
    await send(SecretsTransform([entry]), exchange)

    with pytest.raises(TransformError, match="longer by more than 16777216 bytes"):
        await content_of(exchange)
