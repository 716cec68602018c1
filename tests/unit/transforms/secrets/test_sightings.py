"""Known tokens are seen wherever they stand in a request; places are named, and never hold a token's text."""

import base64

import pytest
from tests.unit.transforms.secrets.building import PiecewiseBody, exchange_of

from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Pair
from iron_proxy.transforms.secrets.sightings import Sighting, TokenWatch

TOKEN = b"Proxy-Token-1"
LONGER = b"Proxy-Token-12"
OTHER = b"second-token"
MANY = [b"unused-token-%d" % number for number in range(20)]
FORM = (b"Content-Type", b"application/x-www-form-urlencoded; charset=utf-8")


@pytest.fixture(params=[[], MANY], ids=["few tokens", "many tokens"])
def watch(request: pytest.FixtureRequest) -> TokenWatch:
    return TokenWatch([TOKEN, LONGER, OTHER, *request.param])


def at(*locations: str, token: bytes = TOKEN) -> tuple[Sighting, ...]:
    return tuple(Sighting(token, location) for location in locations)


def basic(credentials: bytes, scheme: bytes = b"Basic ") -> bytes:
    return scheme + base64.b64encode(credentials)


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ([(b"X-Any", b"a " + TOKEN + b" b")], at("header:X-Any")),
        ([(b"Cookie", b"a=1; k=" + TOKEN)], at("header:Cookie")),
        ([(b"A", TOKEN), (b"B", b"-"), (b"A", TOKEN)], at("header:A")),
        ([(b"A", TOKEN), (b"B", OTHER)], (*at("header:A"), *at("header:B", token=OTHER))),
        ([(b"A", LONGER)], at("header:A", token=LONGER)),
        ([(b"Authorization", basic(b"user:" + TOKEN))], at("header:Authorization")),
        ([(b"Authorization", basic(TOKEN + b":", b"bASIC "))], at("header:Authorization")),
        ([(b"X-Login", basic(b"user:" + TOKEN))], at("header:X-Login")),
        ([(TOKEN, b"1")], at("header name")),
        ([(TOKEN.lower(), b"1")], at("header name")),
        ([(TOKEN, OTHER)], (*at("header name"), *at("header", token=OTHER))),
        ([(b"A", TOKEN[:-1]), (b"B", TOKEN.lower()), (b"C", b"1" + TOKEN[1:])], ()),
        ([(b"Authorization", basic(b"user:password"))], ()),
        ([(b"Authorization", b"Basic ***")], ()),
        ([], ()),
    ],
    ids=[
        "within a value", "a cookie", "named once", "two", "the longer one alone", "in Basic", "another spelling",
        "in Basic elsewhere", "as a name", "as a lower-case name", "a name is not quoted", "nearly", "Basic without",
        "no Basic", "no fields",
    ],
)  # fmt: skip
def test_header_fields(watch: TokenWatch, fields: list[Pair], seen: tuple[Sighting, ...]) -> None:
    assert watch.in_head(fields, "other.test") == seen


@pytest.mark.parametrize("host", ["proxy-token-1.evil.test", "x.proxy-token-1"])
def test_the_host_name(watch: TokenWatch, host: str) -> None:
    assert watch.in_head([(b"Accept", b"*/*")], host) == at("host")


@pytest.mark.parametrize(
    ("path", "seen"),
    [(b"/bot" + TOKEN + b"/x", True), (b"/Proxy%2dToken%2D1", True), (b"/Proxy-Token", False), (b"/%2525", False)],
    ids=["plain", "escaped", "not all of it", "nothing"],
)
def test_the_path(watch: TokenWatch, path: bytes, seen: bool) -> None:
    assert watch.in_path(path) == (at("path") if seen else ())


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        (b"a=1&key=" + TOKEN, at("query:key")),
        (b"key=Proxy%2DToken-1&b", at("query:key")),
        (b"k=" + TOKEN + b"&k=" + TOKEN, at("query:k")),
        (TOKEN + b"=1", at("query")),
        (TOKEN, at("query")),
        (TOKEN + b"=" + OTHER, (*at("query"), *at("query", token=OTHER))),
        (b"a=1&b=%zz+", ()),
        (b"a=Proxy-Token", ()),
    ],
    ids=["a value", "escaped", "named once", "a key", "a key alone", "a key is not quoted", "odd escapes", "nothing"],
)
def test_the_query(watch: TokenWatch, query: bytes, seen: tuple[Sighting, ...]) -> None:
    assert watch.in_query(query) == seen


def test_a_token_with_an_ampersand_is_seen_in_the_query_as_a_whole() -> None:
    assert TokenWatch([b"one&two=three"]).in_query(b"a=one&two=three") == at("query", token=b"one&two=three")


@pytest.mark.parametrize(
    ("fields", "body", "seen"),
    [
        ([], b'{"key": "' + TOKEN + b'"}', at("body")),
        ([], b"x" * 100_000 + TOKEN, at("body")),
        ([FORM], b"k=Proxy%2dToken-1&l=" + OTHER, (*at("body", token=OTHER), *at("body"))),
        ([], b"k=Proxy%2dToken-1", ()),
        ([], b"none", ()),
        ([], b"", ()),
    ],
    ids=["plain", "large and here", "a form", "no form", "nothing", "empty"],
)
def test_a_body_that_is_here(watch: TokenWatch, fields: list[Pair], body: bytes, seen: tuple[Sighting, ...]) -> None:
    request = exchange_of(*fields, body=body).request

    assert watch.in_body(request) == seen
    assert request.body.gather_nowait(1 << 20) == body


async def test_a_body_that_has_been_read_already(watch: TokenWatch) -> None:
    request = exchange_of(body=Body(PiecewiseBody(TOKEN[:5], TOKEN[5:]), None)).request

    assert watch.in_body(request) == ()
    await request.body.peek(1 << 20)
    assert watch.in_body(request) == at("body")


async def test_a_body_that_streams_is_left_alone(watch: TokenWatch) -> None:
    body = Body(PiecewiseBody(TOKEN, TOKEN), None)
    request = exchange_of(body=body).request

    assert watch.in_body(request) == ()
    assert await body.read() == TOKEN
    assert watch.in_body(request) == ()
    assert await body.read() == TOKEN
