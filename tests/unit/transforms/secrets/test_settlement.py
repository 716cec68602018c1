"""Which requests are refused, and whose secret is fetched."""

import pytest
from tests.fakes.secret_source import FakeSource
from tests.unit.transforms.secrets.building import (
    REAL,
    TOKEN,
    PiecewiseBody,
    bearer,
    content_of,
    exchange_of,
    one_entry,
    replacing,
    send,
    swapped,
    transform_from,
)

from iron_proxy.matching.rule import Rule
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Pair
from iron_proxy.pipeline.verdict import CONTINUE, Reject
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.transform import SecretsTransform

REQUIRED = "match_headers: [Authorization], require: true"
INJECTED = 'inject: {header: Authorization, formatter: "Bearer {{ .Value }}"'


def entry_with(source: FakeSource, token: bytes, *, require: bool = False, in_body: bool = False) -> Entry:
    return Entry(source, (Rule.for_host("api.openai.com"),), Replacement(token, in_body=in_body), require=require)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [bearer(b"another-token")],
        [(b"X-Other", TOKEN)],
        [(TOKEN, b"x")],
        [(b"Cookie", b"k=" + TOKEN)],
        [(b"Authorization", b"Bearer " + TOKEN.upper())],
    ],
    ids=["no header", "another token", "another header", "a header's name", "a cookie", "another case"],
)
async def test_a_required_token_that_is_missing_is_refused(headers: list[Pair]) -> None:
    exchange = exchange_of(*headers)

    verdict = await send(replacing(REQUIRED), exchange)

    assert verdict == Reject('secret "OPENAI_API_KEY": the required proxy token is missing')
    assert exchange.notes == {"rejected": "OPENAI_API_KEY"}


async def test_a_required_token_that_is_there_is_swapped() -> None:
    exchange = exchange_of(bearer())

    assert await send(replacing(REQUIRED), exchange) is CONTINUE
    assert exchange.notes == swapped("header:Authorization")


async def test_require_says_nothing_about_other_hosts() -> None:
    assert await send(replacing(REQUIRED), exchange_of(host="other.com")) is CONTINUE


@pytest.mark.parametrize(
    "place", [{"query": b"a=" + TOKEN}, {"path": b"/" + TOKEN}, {"body": TOKEN}], ids=["query", "path", "body"]
)
async def test_any_place_satisfies_require(place: dict[str, bytes]) -> None:
    keys = f"{REQUIRED}, match_query: true, match_path: true, match_body: true"
    exchange = exchange_of(**place)  # type: ignore[arg-type]  # the keywords differ in type

    assert await send(replacing(keys), exchange) is CONTINUE


@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": ""}], ids=["unset", "empty"])
@pytest.mark.parametrize("keys", ["replace", "inject"])
async def test_a_required_secret_that_is_unavailable_is_refused(keys: str, environment: dict[str, str]) -> None:
    if keys == "replace":
        transform = replacing(REQUIRED, environment=environment)
    else:
        transform = one_entry(f"{INJECTED}, require: true}}", environment=environment)
    exchange = exchange_of(bearer())

    verdict = await send(transform, exchange)

    assert isinstance(verdict, Reject)
    assert verdict.response is None
    assert exchange.notes == {"rejected": "OPENAI_API_KEY", "reject_reason": "secret_unavailable"}
    assert exchange.request.headers.pairs == [bearer()]


@pytest.mark.parametrize("keys", ["replace", "inject"])
async def test_another_secret_that_is_unavailable_leaves_the_request_as_it_is(keys: str) -> None:
    transform = replacing(environment={}) if keys == "replace" else one_entry(INJECTED + "}", environment={})
    exchange = exchange_of(bearer())

    verdict = await send(transform, exchange)

    assert verdict is CONTINUE
    assert exchange.request.headers.pairs == [bearer()]
    assert exchange.notes == {"secret_unavailable": ["OPENAI_API_KEY"]}


async def test_only_the_available_ones_of_several_are_swapped() -> None:
    entries = [entry_with(FakeSource("A", None), b"token-of-a"), entry_with(FakeSource("B", "real-b"), b"token-of-b")]
    exchange = exchange_of((b"X", b"token-of-a token-of-b"))

    await send(SecretsTransform(entries), exchange)

    assert exchange.request.headers.get(b"x") == b"token-of-a real-b"
    assert exchange.notes == {**swapped("header:X", secret="B"), "secret_unavailable": ["A"]}


async def test_a_secret_is_fetched_only_when_its_token_was_found() -> None:
    used, unused = FakeSource("USED", "real"), FakeSource("UNUSED", None)
    transform = SecretsTransform([entry_with(unused, b"token-unused"), entry_with(used, b"token-used")])
    exchange = exchange_of((b"X", b"token-used"))

    await send(transform, exchange)

    assert (used.fetches, unused.fetches) == (1, 0)
    assert exchange.notes == swapped("header:X", secret="USED")


async def test_a_missing_token_is_told_without_a_fetch() -> None:
    source = FakeSource("K", None)

    exchange = exchange_of()
    await send(SecretsTransform([entry_with(source, b"token", require=True)]), exchange)

    assert source.fetches == 0
    assert exchange.notes == {"rejected": "K"}


async def test_a_rejection_annotates_no_earlier_swaps_and_changes_nothing() -> None:
    entries = [
        entry_with(FakeSource("A", "real-a"), b"token-of-a"),
        entry_with(FakeSource("B", "real-b"), b"token-of-b", require=True),
    ]
    exchange = exchange_of((b"X", b"token-of-a"))

    verdict = await send(SecretsTransform(entries), exchange)

    assert isinstance(verdict, Reject)
    assert exchange.notes == {"rejected": "B"}
    assert exchange.request.headers.pairs == [(b"X", b"token-of-a")]


async def test_of_two_entries_with_one_token_the_first_that_has_a_secret_is_used() -> None:
    first, second = FakeSource("FIRST", None, "late"), FakeSource("SECOND", "real")
    transform = SecretsTransform([entry_with(first, b"token"), entry_with(second, b"token", require=True)])
    exchanges = [exchange_of((b"X", b"token")) for _ in range(2)]

    verdicts = [await send(transform, exchange) for exchange in exchanges]

    assert verdicts == [CONTINUE, CONTINUE]
    assert [exchange.request.headers.get(b"x") for exchange in exchanges] == [b"real", b"late"]
    assert second.fetches == 1
    assert exchanges[1].notes == swapped("header:X", secret="FIRST")


# --- bodies that cannot be seen whole ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (TOKEN + b"x" * 100, "require: true"),
        (b"x" * 100 + TOKEN, "require: true"),
        (TOKEN + b"x" * 100, "on_oversize: reject"),
        (b"x" * 100, "on_oversize: reject"),
    ],
    ids=["required, in the beginning", "required, not in the beginning", "not to be streamed", "and without a token"],
)
async def test_a_body_over_the_limit_that_matters_is_413(content: bytes, keys: str) -> None:
    transform = replacing(f"match_body: true, {keys}", limit=50)
    exchange = exchange_of(body=Body(PiecewiseBody(content), len(content)))

    verdict = await send(transform, exchange)

    assert isinstance(verdict, Reject)
    assert "larger than max_request_body_bytes (50)" in verdict.reason
    assert verdict.response is not None
    assert verdict.response.status == 413
    assert exchange.notes == {"rejected": "OPENAI_API_KEY", "reject_reason": "body_too_large"}


async def test_a_token_elsewhere_makes_a_large_body_harmless() -> None:
    content = b"x" * 100
    exchange = exchange_of(bearer(), body=Body(PiecewiseBody(content), len(content)))

    verdict = await send(replacing("match_body: true, require: true", limit=50), exchange)

    assert verdict is CONTINUE
    assert exchange.notes == {**swapped("header:Authorization"), "body_truncated": True}
    assert await content_of(exchange) == content


async def test_a_compressed_body_cannot_satisfy_require() -> None:
    exchange = exchange_of((b"Content-Encoding", b"gzip"), body=b"\x1f\x8b...")

    verdict = await send(replacing("match_body: true, require: true"), exchange)

    assert isinstance(verdict, Reject)
    assert verdict.response is None
    assert exchange.notes == {"rejected": "OPENAI_API_KEY", "reject_reason": "encoded_body"}


@pytest.mark.parametrize("keys", ["match_body: true", "match_headers: [], match_body: true, require: true"])
async def test_a_compressed_body_is_forwarded_where_nothing_is_missing(keys: str) -> None:
    headers = [(b"Content-Encoding", b"gzip")] + ([(b"X", TOKEN)] if "require" in keys else [])
    exchange = exchange_of(*headers, body=b"\x1f\x8b...")

    assert await send(replacing(keys), exchange) is CONTINUE
    assert await content_of(exchange) == b"\x1f\x8b..."


async def test_a_body_that_ends_early_fails_as_it_would_when_forwarded() -> None:
    class Cut(PiecewiseBody):
        async def read_body(self) -> bytes:
            raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        await send(replacing("match_body: true"), exchange_of(body=Body(Cut(), 1000)))


# --- plain HTTP -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys", [f"replace: {{proxy_value: {TOKEN.decode()}}}", INJECTED + "}"], ids=["swap", "inject"]
)
async def test_no_secret_goes_over_plain_http(keys: str) -> None:
    exchange = exchange_of(bearer(), scheme="http")

    verdict = await send(one_entry(keys), exchange)

    assert isinstance(verdict, Reject)
    assert verdict.response is None
    assert exchange.notes == {"rejected": "OPENAI_API_KEY", "reject_reason": "plaintext"}
    assert exchange.request.headers.pairs == [bearer()]


async def test_plain_http_without_a_token_passes() -> None:
    assert await send(replacing(), exchange_of(scheme="http")) is CONTINUE


async def test_allow_plaintext_permits_it() -> None:
    exchange = exchange_of(bearer(), scheme="http")

    assert await send(replacing(top="allow_plaintext: true"), exchange) is CONTINUE
    assert exchange.notes == swapped("header:Authorization")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.2.3.4:8080", "[::1]", "localhost"])
async def test_plain_http_to_loopback_and_private_addresses_is_permitted(host: str) -> None:
    exchange = exchange_of(bearer(), scheme="http", host=host)

    assert await send(replacing(host="*"), exchange) is CONTINUE
    assert exchange.notes == swapped("header:Authorization")


async def test_the_first_entry_in_configured_order_is_the_one_named() -> None:
    transform = transform_from(
        """
        secrets:
          - {source: {type: env, var: A}, proxy_value: token-of-a, require: true, rules: [{host: a.test}]}
          - {source: {type: env, var: B}, proxy_value: token-of-b, require: true, rules: [{host: a.test}]}
        """,
        {},
    )
    exchange = exchange_of((b"X", b"token-of-b"), host="a.test")

    await send(transform, exchange)

    assert exchange.notes == {"rejected": "A"}


def test_the_real_value_is_what_the_tests_look_for() -> None:
    assert TOKEN.decode() not in REAL
