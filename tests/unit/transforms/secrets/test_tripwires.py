"""A proxy token where no entry with it fits is noted, or refused; where one of its entries fits, nothing is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.transforms.secrets.building import (
    TOKEN,
    PiecewiseBody,
    bearer,
    exchange_of,
    send,
    swapped,
    transform_from,
)

from iron_proxy.matching.rule import Rule
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Fields
from iron_proxy.pipeline.transform import ObservingTransform
from iron_proxy.pipeline.verdict import CONTINUE, Reject
from iron_proxy.secret_sources.environment import EnvironmentSource
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.transform import SecretsTransform

YAML = """
    honeytokens: [{name: planted, value: honeytoken-1}]
    secrets:
      - source: {type: env, var: OPENAI_API_KEY}
        replace: {proxy_value: proxy-openai-abc123, match_headers: [Authorization]}
        rules: [{host: api.openai.com, paths: ["/v1/*"]}]
"""
NAME = "OPENAI_API_KEY"
REFUSING = YAML + "        on_misuse: reject\n"


def misuse(*locations: str, secret: str = NAME) -> dict[str, Any]:
    return {"token_misuse": [{"secret": secret, "locations": [*locations]}]}


REFUSED = Reject(f'secret "{NAME}": its proxy token does not belong in this request')


@pytest.mark.parametrize(
    ("request_keys", "location"),
    [
        ({"host": "evil.test"}, "header:Authorization"),
        ({"path": b"/v2"}, "header:Authorization"),
        ({"path": b"/v1/../v2"}, "header:Authorization"),
    ],
    ids=["another host", "another path", "an ambiguous path"],
)
@pytest.mark.parametrize("refusing", [False, True], ids=["annotate", "reject"])
async def test_a_token_whose_rules_do_not_fit(request_keys: dict[str, Any], location: str, refusing: bool) -> None:
    exchange = exchange_of(bearer(), **request_keys)

    verdict = await send(transform_from(REFUSING if refusing else YAML), exchange)

    assert verdict == (REFUSED if refusing else CONTINUE)
    refusal = {"rejected": NAME, "reject_reason": "token_misuse"} if refusing else {}
    assert exchange.notes == misuse(location) | refusal
    assert exchange.request.headers.get(b"authorization") == b"Bearer " + TOKEN


async def test_every_place_is_named() -> None:
    exchange = exchange_of(bearer(), host="evil.test", path=b"/" + TOKEN, query=b"k=" + TOKEN, body=TOKEN)

    assert await send(transform_from(YAML), exchange) is CONTINUE
    assert exchange.notes == misuse("header:Authorization", "path", "query:k", "body")


async def test_where_it_fits_it_is_no_misuse_wherever_it_stands() -> None:
    exchange = exchange_of(bearer(), (b"X-Other", TOKEN), path=b"/v1/" + TOKEN, query=TOKEN, body=TOKEN)

    assert await send(transform_from(REFUSING), exchange) is CONTINUE
    assert exchange.notes == swapped("header:Authorization")


async def test_trace_does_not_get_past() -> None:
    exchange = exchange_of(bearer(), host="evil.test", method="TRACE")

    assert await send(transform_from(REFUSING), exchange) == REFUSED


async def test_one_fitting_entry_of_two_that_share_a_token_is_enough() -> None:
    transform = SecretsTransform([entry("A", TOKEN, "a.test"), entry("B", TOKEN, "b.test", rejects_misuse=True)])
    fits, strange = exchange_of(bearer(), host="a.test"), exchange_of(bearer(), host="c.test")

    assert await transform.on_request(fits) is CONTINUE
    assert fits.notes == swapped("header:Authorization", secret="A")
    assert isinstance(await transform.on_request(strange), Reject)
    assert strange.notes["token_misuse"] == [
        {"secret": "A", "locations": ["header:Authorization"]}, {"secret": "B", "locations": ["header:Authorization"]},
    ]  # fmt: skip
    assert strange.notes["rejected"] == "B"


async def test_a_shorter_token_within_a_longer_one_was_not_meant() -> None:
    transform = SecretsTransform([entry("SHORT", b"token-1", "a.test"), entry("LONG", b"token-12", "b.test")])
    exchange = exchange_of(bearer(b"token-12"), host="b.test")

    assert await transform.on_request(exchange) is CONTINUE
    assert exchange.notes == swapped("header:Authorization", secret="LONG")


@pytest.mark.parametrize("is_here", [True, False], ids=["here", "still arriving"])
async def test_a_body_that_no_entry_wants_is_not_waited_for(is_here: bool) -> None:
    body = Body.of(TOKEN) if is_here else Body(PiecewiseBody(TOKEN), None)
    exchange = exchange_of(host="evil.test", body=body)

    await send(transform_from(YAML), exchange)

    assert exchange.notes == (misuse("body") if is_here else {})
    assert await body.read() == TOKEN


async def test_a_body_that_an_entry_reads_is_looked_at_then() -> None:
    yaml = (
        REFUSING
        + """
      - source: {type: env, var: OTHER}
        replace: {proxy_value: other-token, match_body: true}
        rules: [{host: other.test}]
    """
    )
    exchange = exchange_of((b"X-Key", TOKEN), host="other.test", body=Body(PiecewiseBody(b"x" * 70_000, TOKEN), 70_019))
    by_head = await send(transform_from(yaml), exchange)
    arriving = exchange_of(host="other.test", body=Body(PiecewiseBody(TOKEN), len(TOKEN)))
    by_body = await send(transform_from(YAML + yaml.removeprefix(REFUSING)), arriving)

    assert (by_head, exchange.notes["token_misuse"][0]["locations"]) == (REFUSED, ["header:X-Key"])
    assert by_body is CONTINUE
    assert arriving.notes == misuse("body")


@pytest.mark.parametrize("host", ["api.openai.com", "evil.test"])
async def test_a_honeytoken_is_refused_whatever_the_host(host: str) -> None:
    exchange = exchange_of(bearer(), (b"Cookie", b"s=honeytoken-1"), host=host, path=b"/v1/chat")

    verdict = await send(transform_from(YAML), exchange)

    assert verdict == Reject('honeytoken "planted" was used')
    assert exchange.notes["honeytoken"] == [{"name": "planted", "locations": ["header:Cookie"]}]
    assert exchange.notes["reject_reason"] == "honeytoken"
    assert exchange.request.headers.get(b"authorization") == b"Bearer " + TOKEN


def test_a_request_that_another_transform_refused_is_annotated() -> None:
    transform, exchange = transform_from(YAML), exchange_of(bearer(), host="evil.test", query=b"honeytoken-1")

    assert isinstance(transform, ObservingTransform)
    transform.on_refused(exchange)

    assert exchange.notes["token_misuse"] == misuse("header:Authorization")["token_misuse"]
    assert exchange.notes["honeytoken"] == [{"name": "planted", "locations": ["query"]}]


def test_a_refused_request_without_tokens_is_not_annotated() -> None:
    transform, exchange = transform_from(YAML), exchange_of(host="evil.test")

    assert isinstance(transform, ObservingTransform)
    transform.on_refused(exchange)

    assert exchange.notes == {}


async def test_without_tokens_nothing_is_looked_at() -> None:
    exchange = exchange_of(bearer(), host="evil.test")

    assert await send(transform_from("secrets: []"), exchange) is CONTINUE
    assert exchange.notes == {}


@pytest.mark.slow
@given(st.lists(st.sampled_from(["a.test", "b.test", "c.test"]), max_size=6))
async def test_what_was_seen_in_shared_fields_is_decided_anew_for_each_destination(hosts: list[str]) -> None:
    transform, fields = SecretsTransform([entry("A", TOKEN, "a.test")]), Fields([bearer()])
    other = SecretsTransform([entry("B", TOKEN, "b.test")])

    for host in hosts:
        for each, name, home in ((transform, "A", "a.test"), (other, "B", "b.test")):
            exchange = exchange_of(host=host)
            exchange.request.headers.fields = fields
            await each.on_request(exchange)
            location = "header:Authorization"
            assert exchange.notes == (swapped(location, secret=name) if host == home else misuse(location, secret=name))


def entry(name: str, token: bytes, host: str, *, rejects_misuse: bool = False) -> Entry:
    source = EnvironmentSource(name, {name: "real"})
    return Entry(source, (Rule.for_host(host),), Replacement(token), rejects_misuse=rejects_misuse)
