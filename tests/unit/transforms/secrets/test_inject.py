"""Inject mode."""

import base64

import pytest
from tests.fakes.body_source import FakeBodySource
from tests.unit.transforms.secrets.building import REAL, bearer, content_of, exchange_of, one_entry, send

from iron_proxy.errors import TransformError
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Pair
from iron_proxy.pipeline.verdict import CONTINUE
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.inject import Formatter

REAL_BYTES = REAL.encode()


def injected(location: str) -> dict[str, object]:
    return {"injected": [{"secret": "OPENAI_API_KEY", "locations": [location]}]}


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ('header: Authorization, formatter: "Bearer {{ .Value }}"', bearer(REAL_BYTES)),
        ("header: X-Api-Key", (b"X-Api-Key", REAL_BYTES)),
        ('header: X-Api-Key, formatter: ""', (b"X-Api-Key", REAL_BYTES)),
        ("header: X-API-KEY, formatter: '  {{- .Value -}}  '", (b"X-API-KEY", REAL_BYTES)),
        (
            "header: Authorization, formatter: 'Basic {{ base64 \"x-credential:\" .Value }}'",
            (b"Authorization", b"Basic " + base64.b64encode(b"x-credential:" + REAL_BYTES)),
        ),
    ],
    ids=["bearer", "no formatter", "empty formatter", "trim markers", "base64"],
)
async def test_a_header_is_set_in_the_operator_s_spelling(keys: str, header: Pair) -> None:
    exchange = exchange_of((b"Accept", b"*/*"))

    verdict = await send(one_entry(f"inject: {{{keys}}}"), exchange)

    assert verdict is CONTINUE
    assert exchange.request.headers.pairs == [(b"Accept", b"*/*"), header]
    assert exchange.notes == injected(f"header:{header[0].decode()}")


async def test_every_spelling_of_the_client_s_own_header_goes() -> None:
    exchange = exchange_of((b"Authorization", b"a"), (b"authorization", b"b"), (b"X", b"y"), (b"AUTHORIZATION", b"c"))

    await send(one_entry("inject: {header: Authorization, formatter: 'Bearer {{.Value}}'}"), exchange)

    assert exchange.request.headers.pairs == [(b"X", b"y"), bearer(REAL_BYTES)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"existing=value", b"existing=value&key=" + REAL_BYTES),
        (b"z=%zz&key=mine&a=%20&key=two", b"z=%zz&key=" + REAL_BYTES + b"&a=%20"),
        (None, b"key=" + REAL_BYTES),
    ],
    ids=["added", "replaced", "no query"],
)
async def test_a_query_parameter_is_set(query: bytes | None, expected: bytes) -> None:
    exchange = exchange_of(query=query)

    await send(one_entry("inject: {query_param: key}"), exchange)

    assert exchange.request.raw_query == expected
    assert exchange.notes == injected("query:key")


async def test_another_host_gets_nothing() -> None:
    exchange = exchange_of(host="other.com")

    await send(one_entry("inject: {header: A}"), exchange)

    assert exchange.request.headers.pairs == []


@pytest.mark.parametrize("value", ["abc\r\nX-Evil: 1", "abc\n", "a\0b", "a\x7fb"], ids=repr)
async def test_a_value_that_cannot_stand_in_a_header_fails_without_showing_it(value: str) -> None:
    exchange = exchange_of()

    with pytest.raises(TransformError) as failure:
        await send(one_entry("inject: {header: A}", environment={"OPENAI_API_KEY": value}), exchange)

    message = str(failure.value)
    assert message.startswith('secret "OPENAI_API_KEY" holds a control character and cannot stand in header A')
    assert value not in message
    assert exchange.request.headers.pairs == []
    assert "injected" not in exchange.notes or value not in repr(exchange.notes)


async def test_a_value_that_cannot_stand_in_a_header_may_be_encoded_in_one() -> None:
    keys = "inject: {header: Authorization, formatter: 'Basic {{ base64 .Value }}'}"
    exchange = exchange_of()

    await send(one_entry(keys, environment={"OPENAI_API_KEY": "a\nb"}), exchange)

    assert exchange.request.headers.pairs == [(b"Authorization", b"Basic " + base64.b64encode(b"a\nb"))]


def test_a_formatter_renders_again_for_another_secret_only() -> None:
    formatter = Formatter.parse("<{{ .Value }}>")
    one, two = Secret("K", "one"), Secret("K", "two\udcff")

    assert formatter.render(one) is formatter.render(one)
    assert formatter.render(two) == b"<two\xff>"


@pytest.mark.parametrize(
    "text",
    [
        "{{ .Nope }}",
        "{{ .Value.__class__ }}",
        "{{ range }}",
        '{{ .Value | printf "%s" }}',
        "{{",
        '{{ "\\355\\240\\200" }}',
    ],
)
def test_what_a_formatter_does_not_know_is_an_error_when_it_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Formatter.parse(text)


@pytest.mark.parametrize("text", ["%s", "{0.__globals__}", "{Value}"])
def test_other_template_languages_are_plain_text(text: str) -> None:
    assert Formatter.parse(text).render(Secret("K", "v")) == text.encode()


async def test_a_field_that_cgi_cannot_tell_from_ours_goes() -> None:
    names = [b"X_Api_Key", b"x-api_key", b"X-Api-Key", b"XApiKey", b"X-Api-Keys"]
    exchange = exchange_of(*((name, b"mine") for name in names))

    await send(one_entry("inject: {header: X-Api-Key}"), exchange)

    assert [name for name, _ in exchange.request.headers] == [b"XApiKey", b"X-Api-Keys", b"X-Api-Key"]
    assert exchange.request.headers.get(b"x-api-key") == REAL_BYTES


async def test_a_trailer_of_that_name_goes_and_others_stay() -> None:
    trailers = [(b"x-api-KEY", b"mine"), (b"X_Api_Key", b"mine"), (b"X-Sum", b"7")]
    exchange = exchange_of(body=Body(FakeBodySource([b"x"], trailers=trailers), None))

    await send(one_entry("inject: {header: X-Api-Key}"), exchange)

    assert await content_of(exchange) == b"x"
    assert exchange.request.body.trailers == [(b"X-Sum", b"7")]
