"""Putting secrets in the place of tokens, and refusing where they cannot stand."""

import base64
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from tests.unit.transforms.secrets.building import TOKEN, bearer, exchange_of, replacing, send, swapped, transform_from

from iron_proxy.errors import SecretUnavailable, TransformError
from iron_proxy.matching.header_patterns import HeaderPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.messages.headers import Fields, Headers, Pair
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.transform import SecretsTransform

UNFIT = 'secret "OPENAI_API_KEY" holds a control character and cannot stand in header Authorization'


@pytest.mark.parametrize("keys", ["match_headers: [Authorization]", "require: true"], ids=["optional", "required"])
@pytest.mark.parametrize("value", ["abc\r\nX-Evil: 1", "abc\n", "a\0b", "a\x01"], ids=repr)
async def test_a_secret_that_would_split_a_header_fails_the_request(value: str, keys: str) -> None:
    exchange = exchange_of(bearer())

    with pytest.raises(TransformError) as failure:
        await send(replacing(keys, environment={"OPENAI_API_KEY": value}), exchange)

    assert str(failure.value).startswith(UNFIT)
    assert failure.value.status == 502
    assert exchange.request.headers.pairs == [bearer()]
    assert exchange.notes == {}


async def test_the_newline_at_the_end_of_a_file_is_named_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("canary\n")
    yaml = (
        f"secrets: [{{source: {{type: file, path: {path}}}, proxy_value: {TOKEN.decode()}, rules: [{{host: a.test}}]}}]"
    )

    with pytest.raises(TransformError) as failure:
        await send(transform_from(yaml), exchange_of(bearer(), host="a.test"))

    assert "the file ends in a newline" in str(failure.value)
    assert "trim: true" in str(failure.value)
    assert "canary" not in str(failure.value)


async def test_trim_makes_the_same_file_fit(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("canary\n")
    source = f"{{type: file, path: {path}, trim: true}}"
    yaml = f"secrets: [{{source: {source}, proxy_value: {TOKEN.decode()}, rules: [{{host: a.test}}]}}]"
    exchange = exchange_of(bearer(), host="a.test")

    await send(transform_from(yaml), exchange)

    assert exchange.request.headers.pairs == [bearer(b"canary")]


async def test_of_two_secrets_in_one_header_the_unfit_one_is_named() -> None:
    transform = transform_from(
        """
        secrets:
          - {source: {type: env, var: FIT}, proxy_value: token-of-fit, rules: [{host: a.test}]}
          - {source: {type: env, var: UNFIT}, proxy_value: token-of-unfit, rules: [{host: a.test}]}
        """,
        {"FIT": "fine", "UNFIT": "bad\n"},
    )

    with pytest.raises(TransformError, match='secret "UNFIT"'):
        await send(transform, exchange_of((b"X", b"token-of-fit token-of-unfit"), host="a.test"))


async def test_a_secret_with_a_newline_may_stand_in_a_query_a_path_and_a_body() -> None:
    keys = "match_query: true, match_path: true, match_body: true"
    exchange = exchange_of(path=b"/" + TOKEN, query=b"k=" + TOKEN, body=TOKEN)

    await send(replacing(keys, environment={"OPENAI_API_KEY": "a\nb"}), exchange)

    assert exchange.request.raw_target == b"/a%0Ab?k=a%0Ab"
    assert await exchange.request.body.read() == b"a\nb"


async def test_a_secret_with_reserved_characters_stays_in_its_segment() -> None:
    exchange = exchange_of(path=b"/bot" + TOKEN + b"/send")

    await send(replacing("match_path: true", environment={"OPENAI_API_KEY": "a/b?c#d%e .."}), exchange)

    assert exchange.request.raw_path == b"/bota%2Fb%3Fc%23d%25e%20../send"


@pytest.mark.parametrize("real", [".", "..", "../..", "x/../y", "..\\x"])
async def test_a_secret_that_would_make_a_dot_segment_is_refused(real: str) -> None:
    exchange = exchange_of(path=b"/a/" + TOKEN + b"/b")

    with pytest.raises(TransformError, match='secret "OPENAI_API_KEY" would make a dot segment'):
        await send(replacing("match_path: true", environment={"OPENAI_API_KEY": real}), exchange)

    assert exchange.request.raw_path == b"/a/" + TOKEN + b"/b"


async def test_bytes_that_are_not_utf_8_arrive_as_they_are() -> None:
    exchange = exchange_of(bearer(), query=b"k=" + TOKEN)

    await send(replacing("match_query: true", environment={"OPENAI_API_KEY": "a\udcffb"}), exchange)

    assert exchange.request.headers.pairs == [bearer(b"a\xffb")]
    assert exchange.request.raw_query == b"k=a%FFb"


@pytest.mark.parametrize("real", ["a", "b" * 500], ids=["shorter", "longer"])
async def test_a_body_is_as_long_as_what_it_holds(real: str) -> None:
    exchange = exchange_of((b"Content-Length", b"25"), body=b"<" + TOKEN + b">")

    await send(replacing("match_body: true", environment={"OPENAI_API_KEY": real}), exchange)

    assert exchange.request.body.length == len(real) + 2
    assert exchange.notes == swapped("body")


# --- one connection's requests, which share their fields ------------------------------------------------------------


class RotatingSource:
    """Yields what the test puts into `current`, without waiting."""

    name = "KEY"

    def __init__(self, value: str) -> None:
        self.current: Secret | None = Secret(self.name, value)

    async def get(self) -> Secret:
        if self.current is None:
            raise SecretUnavailable("no value")
        return self.current


def rotating(source: RotatingSource, host: str = "api.openai.com") -> SecretsTransform:
    replacement = Replacement(TOKEN, (HeaderPattern.parse("Authorization"),))
    return SecretsTransform([Entry(source, (Rule.for_host(host),), replacement)])


def sharing(fields: Fields, **how: Any) -> Exchange:
    exchange = exchange_of(**how)
    exchange.request.headers = Headers(fields)
    return exchange


async def sent(transform: SecretsTransform, fields: Fields, **how: Any) -> list[Pair]:
    exchange = sharing(fields, **how)
    await send(transform, exchange)
    return list(exchange.request.headers)


async def test_a_secret_that_was_rotated_takes_the_place_of_the_old_one_at_once() -> None:
    source, fields = RotatingSource("old"), Fields([bearer()])
    transform = rotating(source)

    seen = [await sent(transform, fields), await sent(transform, fields)]
    source.current = Secret("KEY", "new")
    seen += [await sent(transform, fields), await sent(transform, fields)]

    assert seen == [[bearer(b"old")]] * 2 + [[bearer(b"new")]] * 2
    assert list(fields) == [bearer()]


async def test_a_secret_that_is_lost_is_not_sent_from_memory() -> None:
    source, fields = RotatingSource("old"), Fields([bearer()])
    transform = rotating(source)
    await sent(transform, fields)

    source.current = None

    assert await sent(transform, fields) == [bearer()]


async def test_what_another_configuration_found_does_not_count() -> None:
    fields = Fields([bearer()])

    seen = [await sent(rotating(RotatingSource(value)), fields) for value in ("one", "two")]

    assert seen == [[bearer(b"one")], [bearer(b"two")]]
    assert await sent(rotating(RotatingSource("three"), "other.test"), fields) == [bearer()]


async def test_another_scheme_is_decided_on_anew() -> None:
    transform, fields = rotating(RotatingSource("real")), Fields([bearer()])
    await sent(transform, fields)

    assert isinstance(await send(transform, sharing(fields, scheme="http")), Reject)


async def test_what_is_done_to_a_swapped_request_stays_with_it() -> None:
    transform, fields = rotating(RotatingSource("real")), Fields([bearer()])
    exchange = sharing(fields)
    await send(transform, exchange)

    exchange.request.headers.append(b"X", b"1")
    exchange.request.headers.pairs.clear()

    assert await sent(transform, fields) == [bearer(b"real")]


async def test_an_unfit_secret_fails_every_request_until_it_is_rotated() -> None:
    source, fields = RotatingSource("a\nb"), Fields([bearer()])
    transform = rotating(source)

    for _ in range(2):
        with pytest.raises(TransformError):
            await sent(transform, fields)
    source.current = Secret("KEY", "fit")

    assert await sent(transform, fields) == [bearer(b"fit")]


@pytest.mark.slow
@pytest.mark.parametrize("encodings", ["", ", encodings: [base64]"])
async def test_a_body_that_would_become_huge_fails_the_request(encodings: str) -> None:
    large = {"OPENAI_API_KEY": "sk-" + "x" * 1_000_000}
    token = base64.b64encode(TOKEN) if encodings else TOKEN

    for count, fits in ((10, True), (20, False)):
        exchange = exchange_of(body=b",".join([token] * count))
        with nullcontext() if fits else pytest.raises(TransformError, match="longer by more than 16777216 bytes"):
            await send(replacing(f"match_body: true{encodings}", environment=large), exchange)
