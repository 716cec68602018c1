"""Secrets that are used while a body streams: noted late, and kept from coming back."""

from tests.fakes.secret_source import FakeSource
from tests.unit.transforms.secrets.building import REAL, TOKEN, PiecewiseBody, content_of, exchange_of, send
from tests.unit.transforms.secrets.scrubbing_cases import response_of

from iron_proxy.matching.rule import Rule
from iron_proxy.messages.body import Body
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.scrub import LateTrace
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.transform import SecretsTransform


async def streaming(source: FakeSource, *, redact_responses: bool = True) -> Exchange:
    """An exchange whose body holds the token and has been let through."""
    rules = (Rule.for_host("api.openai.com"),)
    entry = Entry(source, rules, Replacement(TOKEN, in_body=True), redact_responses=redact_responses)
    exchange = exchange_of(body=Body(PiecewiseBody(b"a", TOKEN, TOKEN), None))
    await send(SecretsTransform([entry]), exchange)
    return exchange


async def test_a_use_is_noted_once_on_the_trace_that_was_made_before() -> None:
    exchange = await streaming(FakeSource("K", REAL))
    trace, exchange.notes = exchange.notes, {}

    await content_of(exchange)

    assert trace == {"body_streamed": True, "swapped": [{"secret": "K", "locations": ["body"]}]}
    assert exchange.notes == {}


async def test_a_secret_that_was_fetched_late_is_kept_from_coming_back() -> None:
    exchange = await streaming(FakeSource("K", REAL))
    assert exchange.scrubbers[0].finds_nothing(response_of(REAL.encode()))

    await content_of(exchange)

    assert not exchange.scrubbers[0].finds_nothing(response_of(REAL.encode()))


async def test_an_answer_that_has_begun_before_is_scrubbed_too() -> None:
    exchange = await streaming(FakeSource("K", REAL))
    answer = exchange.response = response_of([b"before ", REAL.encode()], sized=False, here=0)
    await exchange.begin_scrubbing()[0].scrub(answer, LateTrace("secrets", []))
    assert await answer.body.read() == b"before "

    await content_of(exchange)

    assert REAL.encode() not in await answer.body.read()


async def test_where_responses_are_not_scrubbed_it_is_never_too_late() -> None:
    exchange = await streaming(FakeSource("K", REAL), redact_responses=False)
    exchange.response = Response(200)

    await content_of(exchange)

    assert exchange.scrubbers == ()
