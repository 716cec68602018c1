"""The transform as a whole: when it is asked, TRACE, order, and that no secret is ever shown."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.secret_source import FakeSource
from tests.unit.transforms.secrets.building import (
    REAL,
    TOKEN,
    bearer,
    exchange_of,
    one_entry,
    replacing,
    send,
    transform_from,
)

from iron_proxy.errors import IronProxyError
from iron_proxy.matching.rule import Rule
from iron_proxy.pipeline.transform import RequestTransform, Scope
from iron_proxy.pipeline.verdict import CONTINUE, Reject
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.transform import SecretsTransform

TOKENS = st.lists(st.text("ab1-", min_size=1, max_size=4), min_size=1, max_size=12, unique=True)


def test_it_is_asked_for_requests_only() -> None:
    transform = replacing("require: true")

    assert isinstance(transform, RequestTransform)
    assert (transform.name, transform.scopes) == ("secrets", frozenset((Scope.REQUEST,)))


async def test_without_entries_everything_passes() -> None:
    assert await send(transform_from("secrets: []"), exchange_of(bearer())) is CONTINUE


@pytest.mark.parametrize("keys", ["inject: {header: A}", f"replace: {{proxy_value: {TOKEN.decode()}}}"])
async def test_trace_to_a_host_with_secrets_is_refused(keys: str) -> None:
    exchange = exchange_of(method="TRACE")

    verdict = await send(one_entry(keys), exchange)

    assert isinstance(verdict, Reject)
    assert verdict.response is not None
    assert verdict.response.status == 405
    assert verdict.response.headers.get(b"allow") == b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert exchange.notes == {"rejected": "OPENAI_API_KEY", "reject_reason": "trace"}


async def test_trace_to_another_host_is_not_our_business() -> None:
    assert await send(one_entry("inject: {header: A}"), exchange_of(method="TRACE", host="other.com")) is CONTINUE


async def test_an_injected_value_is_not_searched_for_tokens() -> None:
    transform = transform_from(
        """
        secrets:
          - {source: {type: env, var: A}, inject: {header: X-Key}, rules: [{host: a.test}]}
          - {source: {type: env, var: B}, replace: {proxy_value: token-of-b}, rules: [{host: a.test}]}
        """,
        {"A": "holds token-of-b", "B": "real-b"},
    )
    exchange = exchange_of((b"Other", b"token-of-b"), host="a.test")

    await send(transform, exchange)

    assert exchange.request.headers.pairs == [(b"Other", b"real-b"), (b"X-Key", b"holds token-of-b")]
    assert exchange.notes == {
        "swapped": [{"secret": "B", "locations": ["header:Other"]}],
        "injected": [{"secret": "A", "locations": ["header:X-Key"]}],
    }


@pytest.mark.slow
@given(TOKENS, st.lists(st.sampled_from(["a", "b", "1", "-", " "]), max_size=20).map("".join))
async def test_one_and_many_entries_mean_the_same(tokens: list[str], value: str) -> None:
    rules = (Rule.for_host("api.openai.com"),)
    entries = [Entry(FakeSource(f"S{t}", f"<{t}>"), rules, Replacement(t.encode())) for t in tokens]
    filler = [Entry(FakeSource(f"F{n}", "never"), rules, Replacement(b"filler-%d" % n)) for n in range(40)]
    results = []
    for configured in (entries, entries + filler):
        exchange = exchange_of((b"X", value.encode()), query=b"k=" + value.encode())
        await send(SecretsTransform(configured), exchange)
        results.append((exchange.request.headers.pairs, exchange.notes))

    assert results[0] == results[1]


@pytest.mark.parametrize(
    "real", [REAL, "canary\nline", "canary/..", "\udcffcanary"], ids=["plain", "newline", "dots", "not UTF-8"]
)
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize(
    "keys", ["match_headers: [Authorization]", "match_query: true, match_path: true, match_body: true"]
)
async def test_no_secret_is_in_annotations_verdicts_errors_or_representations(
    real: str, scheme: str, keys: str
) -> None:
    transform = replacing(keys, environment={"OPENAI_API_KEY": real})
    exchange = exchange_of(bearer(), scheme=scheme, path=b"/" + TOKEN, query=b"k=" + TOKEN, body=TOKEN)
    try:
        shown = repr(await send(transform, exchange))
    except IronProxyError as error:
        shown = repr(error)

    shown += repr(exchange.notes) + repr(transform) + repr(exchange.request.headers)
    encoded = real.encode("utf-8", "surrogateescape")
    assert REAL not in shown
    assert "canary" not in shown
    assert base64.b64encode(encoded).decode() not in shown


async def test_closing_closes_the_sources() -> None:
    closed: list[str] = []

    class ClosableSource(FakeSource):
        async def aclose(self) -> None:
            closed.append(self.name)

    sources = [ClosableSource("A", "x"), FakeSource("B", "x"), ClosableSource("C", "x")]

    await SecretsTransform(Entry(source, (), Replacement(TOKEN)) for source in sources).aclose()

    assert closed == ["A", "C"]


async def test_a_rehearsal_decides_alike_and_asks_no_source() -> None:
    source = FakeSource("KEY", REAL)
    entry = Entry(source, (Rule.for_host("a.test"),), Replacement(TOKEN), require=True)
    rehearsal = SecretsTransform([entry]).rehearsal()
    asked, refused = exchange_of(bearer(), host="a.test"), exchange_of(host="a.test")

    assert await rehearsal.on_request(asked) is CONTINUE
    assert isinstance(await rehearsal.on_request(refused), Reject)

    assert asked.request.headers.get(b"authorization") == b"Bearer [secret:KEY]"
    assert source.fetches == 0
