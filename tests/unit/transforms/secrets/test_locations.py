"""Where tokens are looked for, and where not; what the audit record calls the places."""

import base64

import pytest
from tests.unit.transforms.secrets.building import (
    REAL,
    TOKEN,
    PiecewiseBody,
    bearer,
    content_of,
    exchange_of,
    replacing,
    send,
    swapped,
    transform_from,
)

from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Pair
from iron_proxy.pipeline.verdict import CONTINUE, Reject

REAL_BYTES = REAL.encode()


def basic(credentials: bytes, scheme: bytes = b"Basic ") -> Pair:
    return (b"Authorization", scheme + base64.b64encode(credentials))


@pytest.mark.parametrize("host", ["api.openai.com", "api.openai.com:443", "API.OpenAI.com."])
async def test_a_listed_header_is_swapped(host: str) -> None:
    exchange = exchange_of(bearer(), host=host)

    verdict = await send(replacing(), exchange)

    assert verdict is CONTINUE
    assert exchange.request.headers.pairs == [bearer(REAL_BYTES)]
    assert exchange.notes == swapped("header:Authorization")


async def test_another_host_is_left_alone() -> None:
    keys = "match_query: true, match_path: true, match_body: true"
    exchange = exchange_of(bearer(), host="evil.com", path=b"/" + TOKEN, query=b"k=" + TOKEN, body=TOKEN)

    verdict = await send(replacing(keys), exchange)

    assert verdict is CONTINUE
    assert exchange.request.headers.pairs == [bearer()]
    assert exchange.request.raw_target == b"/" + TOKEN + b"?k=" + TOKEN
    assert await content_of(exchange) == TOKEN
    assert [*exchange.notes] == ["token_misuse"]


async def test_the_value_around_the_token_is_kept() -> None:
    exchange = exchange_of((b"X-Api-Key", b"a " + TOKEN + b" b" + TOKEN), (b"Authorization", b"token " + TOKEN))

    await send(replacing("match_headers: [X-Api-Key, Authorization]"), exchange)

    assert exchange.request.headers.pairs == [
        (b"X-Api-Key", b"a " + REAL_BYTES + b" b" + REAL_BYTES),
        (b"Authorization", b"token " + REAL_BYTES),
    ]
    assert exchange.notes == swapped("header:X-Api-Key", "header:Authorization")


async def test_headers_that_are_not_listed_and_header_names_are_not_searched() -> None:
    headers = [(b"X-Custom", TOKEN), (TOKEN, b"x"), (b"Cookie", b"k=" + TOKEN)]
    exchange = exchange_of(*headers)

    await send(replacing(), exchange)

    assert exchange.request.headers.pairs == headers
    assert exchange.notes == {}


@pytest.mark.parametrize("keys", ["match_headers: []", "match_headers: null", "match_path: false"])
async def test_no_list_is_all_headers_one_location_per_value(keys: str) -> None:
    exchange = exchange_of((b"X-Custom", TOKEN), (b"x-custom", TOKEN), (b"Accept", b"*/*"), (b"Cookie", b"k=" + TOKEN))

    await send(replacing(keys), exchange)

    assert exchange.notes == swapped("header:X-Custom", "header:x-custom", "header:Cookie")
    assert [name for name, _ in exchange.request.headers] == [b"X-Custom", b"x-custom", b"Accept", b"Cookie"]


@pytest.mark.parametrize(
    ("patterns", "locations"),
    [
        ("/^X-.*-Key$/", ["X-Api-Key", "X-Other-Key"]),
        ("/^x-.*-key$/", ["X-Api-Key", "X-Other-Key"]),
        ("/^authorization$/", ["Authorization"]),
        ("//", ["X-Api-Key", "X-Other-Key", "Authorization", "X-Trace"]),
        ("X-Trace, /Other/", ["X-Other-Key", "X-Trace"]),
        ("X-Api-Key, /^X-.*$/", ["X-Api-Key", "X-Other-Key", "X-Trace"]),
        ("/^X-.*$/, X-Api-Key", ["X-Api-Key", "X-Other-Key", "X-Trace"]),
    ],
)
async def test_regular_expressions_choose_headers_and_never_twice(patterns: str, locations: list[str]) -> None:
    names = (b"X-Api-Key", b"X-Other-Key", b"Authorization", b"X-Trace")
    exchange = exchange_of(*((name, TOKEN) for name in names))

    await send(replacing(f"match_headers: [{patterns}]"), exchange)

    assert exchange.notes == swapped(*(f"header:{name}" for name in locations))


async def test_a_literal_name_is_stored_as_the_operator_wrote_it_in_its_place() -> None:
    exchange = exchange_of((b"A", b"1"), (b"X-Api-Key", TOKEN), (b"B", b"2"), (b"x-api-key", b"no token"))

    await send(replacing("match_headers: [x-api-KEY]"), exchange)

    assert exchange.request.headers.pairs == [
        (b"A", b"1"),
        (b"x-api-KEY", REAL_BYTES),
        (b"B", b"2"),
        (b"x-api-KEY", b"no token"),
    ]
    assert exchange.notes == swapped("header:x-api-KEY")


async def test_several_values_of_a_listed_header_are_one_location() -> None:
    exchange = exchange_of((b"X-Key", TOKEN), (b"X-Key", TOKEN))

    await send(replacing("match_headers: [X-Key]"), exchange)

    assert exchange.request.headers.get_all(b"x-key") == [REAL_BYTES, REAL_BYTES]
    assert exchange.notes == swapped("header:X-Key")


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (b"user:" + TOKEN, b"user:" + REAL_BYTES),
        (TOKEN + b":", REAL_BYTES + b":"),
        (TOKEN + b":" + TOKEN, REAL_BYTES + b":" + REAL_BYTES),
    ],
    ids=["password", "user name", "both"],
)
@pytest.mark.parametrize("scheme", [b"Basic ", b"basic "])
async def test_basic_credentials_are_looked_into(credentials: bytes, expected: bytes, scheme: bytes) -> None:
    exchange = exchange_of(basic(credentials, scheme))

    await send(replacing(), exchange)

    assert exchange.request.headers.pairs == [basic(expected, scheme)]
    assert exchange.notes == swapped("header:Authorization")


@pytest.mark.parametrize(
    "header",
    [
        basic(b"user:other"),
        (b"X-Custom", basic(b"u:" + TOKEN)[1]),
        (b"Authorization", b"Bearer " + basic(TOKEN)[1][6:]),
    ],
    ids=["no token inside", "another header", "another scheme"],
)
async def test_other_base64_stays_byte_for_byte(header: Pair) -> None:
    exchange = exchange_of(header)

    await send(replacing("match_headers: []"), exchange)

    assert exchange.request.headers.pairs == [header]
    assert exchange.notes == {}


async def test_undecodable_basic_is_searched_as_it_is() -> None:
    exchange = exchange_of((b"Authorization", b"Basic " + TOKEN))

    await send(replacing(), exchange)

    assert exchange.request.headers.pairs == [(b"Authorization", b"Basic " + REAL_BYTES)]


async def test_a_token_that_happens_to_be_base64_is_found_after_basic() -> None:
    transform = transform_from(
        "secrets: [{source: {type: env, var: K}, proxy_value: QUJDREVG, rules: [{host: a.test}]}]", {"K": "real"}
    )
    exchange = exchange_of((b"Authorization", b"Basic QUJDREVG"), host="a.test")

    await send(transform, exchange)

    assert exchange.request.headers.pairs == [(b"Authorization", b"Basic real")]


async def test_the_query_is_edited_in_place() -> None:
    exchange = exchange_of(query=b"b=2&a=%20&key=" + TOKEN + b"&c&b=1&d=%zz")

    await send(replacing("match_query: true"), exchange)

    assert exchange.request.raw_query == b"b=2&a=%20&key=" + REAL_BYTES + b"&c&b=1&d=%zz"
    assert exchange.notes == swapped("query:key")


@pytest.mark.parametrize("keys", ["match_headers: []", "match_query: false"])
async def test_the_query_is_left_alone_unless_asked_for(keys: str) -> None:
    exchange = exchange_of(query=b"key=" + TOKEN)

    await send(replacing(keys), exchange)

    assert exchange.request.raw_query == b"key=" + TOKEN


async def test_the_seed_form_always_looks_into_the_query() -> None:
    transform = transform_from(f"""
        source: env
        secrets: [{{var: OPENAI_API_KEY, proxy_value: {TOKEN.decode()}, hosts: [{{name: api.openai.com}}]}}]
    """)
    exchange = exchange_of(query=b"token=" + TOKEN + b"&other=value")

    await send(transform, exchange)

    assert exchange.request.raw_query == b"token=" + REAL_BYTES + b"&other=value"
    assert exchange.notes == swapped("query:token")


async def test_the_path_is_edited_in_place() -> None:
    exchange = exchange_of(path=b"/bot" + TOKEN + b"/a%2Fb")

    await send(replacing("match_path: true"), exchange)

    assert exchange.request.raw_path == b"/bot" + REAL_BYTES + b"/a%2Fb"
    assert exchange.request.path == f"/bot{REAL}/a/b"
    assert exchange.notes == swapped("path")


async def test_the_path_is_left_alone_unless_asked_for() -> None:
    exchange = exchange_of(path=b"/bot" + TOKEN)

    await send(replacing("match_query: true"), exchange)

    assert exchange.request.raw_path == b"/bot" + TOKEN


async def test_the_body_gets_its_new_length() -> None:
    exchange = exchange_of(body=b'{"api_key": "' + TOKEN + b'", "model": "gpt-4", "again": "' + TOKEN + b'"}')

    await send(replacing("match_body: true"), exchange)

    expected = b'{"api_key": "' + REAL_BYTES + b'", "model": "gpt-4", "again": "' + REAL_BYTES + b'"}'
    assert exchange.request.body.length == len(expected)
    assert await content_of(exchange) == expected
    assert exchange.notes == swapped("body")


@pytest.mark.parametrize("split", range(len(TOKEN) + 1))
async def test_a_token_is_found_across_the_pieces_of_a_body(split: int) -> None:
    body = Body(PiecewiseBody(b"x" + TOKEN[:split], TOKEN[split:] + b"y"), len(TOKEN) + 2)
    exchange = exchange_of(body=body)

    await send(replacing("match_body: true"), exchange)

    assert (exchange.request.body.length, await content_of(exchange)) == (len(REAL) + 2, b"x" + REAL_BYTES + b"y")


async def test_two_body_entries_both_find_their_token() -> None:
    transform = transform_from(
        """
        secrets:
          - {source: {type: env, var: A}, replace: {proxy_value: token-of-a, match_body: true}, rules: [{host: a.test}]}
          - {source: {type: env, var: B}, replace: {proxy_value: token-of-b, match_body: true}, rules: [{host: a.test}]}
        """,
        {"A": "real-a", "B": "real-b"},
    )
    only_b, both = (
        exchange_of(host="a.test", body=b"token-of-b"),
        exchange_of(host="a.test", body=b"token-of-b token-of-a"),
    )

    await send(transform, only_b)
    await send(transform, both)

    assert await content_of(only_b) == b"real-b"
    assert await content_of(both) == b"real-b real-a"
    assert [note["secret"] for note in both.notes["swapped"]] == ["A", "B"]


async def test_an_untouched_body_is_not_read() -> None:
    exchange = exchange_of(bearer(), body=Body(PiecewiseBody(b"stream"), None))

    await send(replacing(), exchange)

    assert exchange.request.body.is_untouched


async def test_a_longer_body_without_the_token_is_forwarded_whole_and_noted() -> None:
    content = b"x" * 30
    exchange = exchange_of(body=Body(PiecewiseBody(content[:7], content[7:]), 30))

    verdict = await send(replacing("match_body: true", limit=10), exchange)

    assert verdict is CONTINUE
    assert exchange.notes == {"body_truncated": True}
    assert await content_of(exchange) == content


async def test_a_body_of_exactly_the_limit_is_seen_whole() -> None:
    exchange = exchange_of(body=TOKEN)

    await send(replacing("match_body: true", limit=len(TOKEN)), exchange)

    assert await content_of(exchange) == REAL_BYTES


async def test_without_a_limit_any_body_is_seen_whole() -> None:
    exchange = exchange_of(body=b"x" * 3_000_000 + TOKEN)

    await send(replacing("match_body: true", limit=None), exchange)

    assert exchange.request.body.length == 3_000_000 + len(REAL)


@pytest.mark.parametrize(
    ("coding", "is_seen"),
    [(b"gzip", False), (b"identity", True), (b"", True), (b"Identity, br", False), (b"compress", False)],
)
async def test_a_body_that_cannot_be_decoded_is_not_searched(coding: bytes, is_seen: bool) -> None:
    exchange = exchange_of((b"Content-Encoding", coding), body=TOKEN)

    await send(replacing("match_body: true"), exchange)

    assert await content_of(exchange) == (REAL_BYTES if is_seen else TOKEN)


async def test_all_places_are_named_in_their_order() -> None:
    keys = "match_headers: [Authorization], match_query: true, match_path: true, match_body: true"
    exchange = exchange_of(bearer(), path=b"/" + TOKEN, query=b"a=" + TOKEN + b"&b=" + TOKEN, body=TOKEN)

    await send(replacing(keys), exchange)

    assert exchange.notes == swapped("header:Authorization", "query:a", "query:b", "path", "body")


@pytest.mark.parametrize("header", [b"Content-MD5", b"digest", b"Content-Digest", b"REPR-Digest"])
async def test_a_body_that_a_digest_vouches_for_is_not_swapped(header: bytes) -> None:
    exchange = exchange_of((header, b"x"), body=TOKEN)

    verdict = await send(replacing("match_body: true"), exchange)

    assert isinstance(verdict, Reject)
    assert verdict.response is None
    assert exchange.notes == {"rejected": "OPENAI_API_KEY", "reject_reason": "body_digest"}


async def test_a_digest_of_a_body_without_the_token_does_not_matter() -> None:
    exchange = exchange_of(bearer(), (b"Content-MD5", b"x"), body=b"nothing")

    verdict = await send(replacing("match_body: true"), exchange)

    assert verdict is CONTINUE
    assert exchange.notes == swapped("header:Authorization")
