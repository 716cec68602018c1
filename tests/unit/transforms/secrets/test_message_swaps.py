"""A WebSocket's text messages: tokens become secrets towards the upstream, and secrets tokens towards the client."""

import base64
import json
from typing import Any

import pytest
from tests.fakes.secret_source import FakeSource
from tests.unit.transforms.secrets.building import REAL, TOKEN, bearer, exchange_of, send, swapped, transform_from

from iron_proxy.errors import TransformError
from iron_proxy.matching.rule import Rule
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform
from iron_proxy.pipeline.verdict import CONTINUE, Reject
from iron_proxy.protocols.websocket_messages import FrameViolation, TextRewriter
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.transform import SecretsTransform

NAME = "OPENAI_API_KEY"
HOST = "api.openai.com"
TOKEN_TEXT = TOKEN.decode()
AWKWARD = 'real "quoted" \\ ü\n'


def entry(variable: str = NAME, token: str = TOKEN_TEXT, *, host: str = HOST, keys: str = "", top: str = "") -> str:
    return f"""
      - source: {{type: env, var: {variable}}}
        rules: [{{host: "{host}"}}]
        replace: {{proxy_value: "{token}", match_websocket: true{keys}}}
        {top}
    """


def transform(*entries: str, **environment: str) -> RequestTransform:
    return transform_from("secrets:" + "".join(entries or (entry(),)), {NAME: REAL, **environment})


async def opened(transform: RequestTransform, *headers: tuple[bytes, bytes], **facts: Any) -> Exchange:
    """An upgrade that has been let pass."""
    exchange = upgrade(*headers, **facts)
    assert await send(transform, exchange) is CONTINUE
    return exchange


def upgrade(*headers: tuple[bytes, bytes], protocol: bytes = b"websocket", **facts: Any) -> Exchange:
    exchange = exchange_of(*headers, **facts)
    exchange.request.upgrade = protocol
    return exchange


def rewritten(rewriter: TextRewriter | None, text: bytes) -> bytes:
    assert rewriter is not None
    stream = rewriter.begin(text)
    return stream.feed(text) + stream.end()


def sent(exchange: Exchange, text: bytes) -> bytes:
    """What the upstream gets of a client's message."""
    for each in exchange.rewriting:
        text = rewritten(each.to_upstream, text)
    return text


def received(exchange: Exchange, text: bytes) -> bytes:
    """What the client gets of an upstream's message."""
    for each in exchange.rewriting:
        text = rewritten(each.to_client, text)
    return text


async def test_tokens_become_secrets_and_secrets_tokens() -> None:
    exchange = await opened(transform())

    assert sent(exchange, b"login " + TOKEN + b"; " + TOKEN) == f"login {REAL}; {REAL}".encode()
    assert received(exchange, b"welcome " + REAL.encode()) == b"welcome " + TOKEN
    assert received(exchange, base64.b64encode(REAL.encode())) != base64.b64encode(REAL.encode())


async def test_the_record_counts_what_was_done_by_the_end_of_the_session() -> None:
    exchange = await opened(transform())
    noted = exchange.notes["websocket"]

    assert noted == [{"secret": NAME, "swapped": 0, "redacted": 0}]
    sent(exchange, TOKEN + TOKEN)
    received(exchange, REAL.encode())
    assert noted == [{"secret": NAME, "swapped": 2, "redacted": 1}]


@pytest.mark.parametrize("start", ['{"k": "', ' \n["', '"'])
async def test_json_stays_json(start: str) -> None:
    exchange = await opened(transform(**{NAME: AWKWARD}))
    end = {"{": '"}', "[": '"]', '"': '"'}[start.strip()[0]]

    text = sent(exchange, f"{start}{TOKEN_TEXT}{end}".encode()).decode()

    assert json.loads(text) in ({"k": AWKWARD}, [AWKWARD], AWKWARD)


async def test_what_is_not_json_gets_the_secret_as_it_is() -> None:
    exchange = await opened(transform(**{NAME: AWKWARD}))

    assert sent(exchange, b"AUTH " + TOKEN).decode() == "AUTH " + AWKWARD


async def test_a_token_with_a_slash_is_found_as_json_writes_it() -> None:
    exchange = await opened(transform(entry(token="proxy/tökén")))

    for spelling in ("proxy/tökén", r"proxy\/tökén", r"proxy/t\u00f6k\u00e9n"):
        assert json.loads(sent(exchange, f'["{spelling}"]'.encode())) == [REAL]


async def test_extensions_are_not_offered() -> None:
    offer = (b"Sec-WebSocket-Extensions", b"permessage-deflate")
    scanned, other = await opened(transform(), offer), await opened(transform(), offer, host="other.test")

    assert scanned.request.headers.get(b"sec-websocket-extensions") is None
    assert other.request.headers.get(b"sec-websocket-extensions") == b"permessage-deflate"
    assert other.rewriting == ()


@pytest.mark.parametrize(
    "facts",
    [{"host": "other.test"}, {"protocol": b"tcp"}, {"scheme": "http"}],
    ids=["another host", "another protocol", "plain HTTP"],
)
async def test_where_messages_are_left_alone(facts: dict[str, Any]) -> None:
    exchange = await opened(transform(), **facts)

    assert exchange.rewriting == ()
    assert exchange.notes == {}


async def test_without_the_key_messages_are_left_alone() -> None:
    yaml = entry().replace("match_websocket: true", "match_websocket: false")

    assert (await opened(transform(yaml), bearer())).rewriting == ()


async def test_plain_http_may_be_allowed() -> None:
    exchange = await opened(transform(entry(top="allow_plaintext: true")), scheme="http")

    assert sent(exchange, TOKEN) == REAL.encode()


async def test_the_opening_itself_is_swapped_too() -> None:
    exchange = await opened(transform(), bearer())

    assert exchange.request.headers.get(b"authorization") == b"Bearer " + REAL.encode()
    assert exchange.notes["swapped"] == swapped("header:Authorization")["swapped"]


async def test_a_required_secret_that_cannot_be_had_refuses_the_opening() -> None:
    exchange = upgrade()

    verdict = await send(transform(entry("MISSING", keys=", require: true")), exchange)

    assert isinstance(verdict, Reject)
    assert exchange.notes == {"rejected": "MISSING", "reject_reason": "secret_unavailable"}


async def test_one_that_is_not_required_leaves_its_token() -> None:
    exchange = await opened(transform(entry("MISSING", "token-of-missing"), entry()))

    assert sent(exchange, b"token-of-missing " + TOKEN) == b"token-of-missing " + REAL.encode()


async def test_a_secret_that_is_not_text_fails_the_opening() -> None:
    with pytest.raises(TransformError, match="is not UTF-8 and cannot stand in a text message"):
        await send(transform(**{NAME: "real-\udcff-secret"}), upgrade())


async def test_a_shorter_token_within_a_longer_one_was_not_meant() -> None:
    longer = entry("LONG", TOKEN_TEXT + "4", host="other.test")
    exchange = await opened(transform(entry(), longer, LONG="real-of-longer"))

    assert sent(exchange, TOKEN + b"4 " + TOKEN) == TOKEN + b"4 " + REAL.encode()


async def test_injected_secrets_do_not_come_back_either() -> None:
    injected = f"""
      - source: {{type: env, var: INJECTED}}
        rules: [{{host: {HOST}}}]
        inject: {{header: X-Key}}
    """
    exchange = await opened(transform(entry(), injected, INJECTED="real-of-injected"))

    assert b"real-of-injected" not in received(exchange, b"your key is real-of-injected")
    assert exchange.notes["websocket"][1] == {"secret": "INJECTED", "swapped": 0, "redacted": 1}


async def test_redaction_can_be_switched_off() -> None:
    exchange = await opened(transform(entry(top="redact_responses: false")))

    assert received(exchange, REAL.encode()) == REAL.encode()


async def test_sessions_with_the_same_secrets_share_what_was_compiled() -> None:
    """A client opens as many as it likes, and nobody is served meanwhile."""
    shared = transform()
    first, second = await opened(shared), await opened(shared)
    compiled = [vars(each.rewriting[0].to_upstream)["_swaps"] for each in (first, second)]

    assert compiled[0] is compiled[1]


async def test_a_rotated_secret_is_the_one_of_the_next_session() -> None:
    source, rules = FakeSource("K", "value-number-1", "value-number-2"), (Rule.for_host(HOST),)
    swapping = SecretsTransform([Entry(source, rules, Replacement(TOKEN, in_websocket=True))])

    first, second = await opened(swapping), await opened(swapping)

    assert [sent(first, TOKEN), sent(second, TOKEN)] == [b"value-number-1", b"value-number-2"]
    assert received(first, b"value-number-1 value-number-2") == TOKEN + b" " + TOKEN


async def test_what_another_request_sends_does_not_come_back_in_an_open_session() -> None:
    source, rules = FakeSource("LATER", "value-sent-later"), (Rule.for_host(HOST),)
    later = Entry(source, rules, Replacement(b"token-of-later"))
    messages = Entry(FakeSource("K", REAL), rules, Replacement(TOKEN, in_websocket=True))
    both = SecretsTransform([messages, later])
    exchange = await opened(both)
    assert received(exchange, b"value-sent-later") == b"value-sent-later"

    await send(both, exchange_of((b"A", b"token-of-later")))

    assert received(exchange, b"value-sent-later") == b"token-of-later"


@pytest.mark.slow
async def test_a_message_does_not_become_huge() -> None:
    exchange = await opened(transform(**{NAME: "REAL" + "x" * 100_000}))

    assert len(sent(exchange, TOKEN * 100)) == 100 * 100_004
    with pytest.raises(FrameViolation, match="longer by more than 16777216 bytes"):
        sent(exchange, TOKEN * 10_000)
