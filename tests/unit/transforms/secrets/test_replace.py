"""Putting secrets in the place of tokens, and refusing where they cannot stand."""

from pathlib import Path

import pytest
from tests.unit.transforms.secrets.building import TOKEN, bearer, exchange_of, replacing, send, swapped, transform_from

from iron_proxy.errors import TransformError

UNFIT = 'secret "OPENAI_API_KEY" holds a control character and cannot stand in header Authorization'


@pytest.mark.parametrize("keys", ["match_headers: [Authorization]", "require: true"], ids=["optional", "required"])
@pytest.mark.parametrize("value", ["abc\r\nX-Evil: 1", "abc\n", "a\0b", "a\x01"], ids=repr)
async def test_a_secret_that_would_split_a_header_fails_the_request(value: str, keys: str) -> None:
    exchange = exchange_of(bearer())

    with pytest.raises(TransformError) as failure:
        await send(replacing(keys, environment={"OPENAI_API_KEY": value}), exchange)

    assert str(failure.value) == UNFIT
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
