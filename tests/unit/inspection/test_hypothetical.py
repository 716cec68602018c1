"""A question becomes the request that a client's bytes would have become, or is refused in the same words."""

import pytest

from iron_proxy.errors import BadRequest
from iron_proxy.inspection.hypothetical import Hypothetical
from iron_proxy.messages.authority import Target


def test_a_url_becomes_a_request() -> None:
    question = Hypothetical.parse("POST", "HTTPS://Api.A.test/v1/x?y=1#z", [("X-A", "1")], "ci", b"body")

    exchange = question.exchange()
    request = exchange.request

    assert (request.method, request.scheme, request.target) == ("POST", "https", Target("api.a.test", 443))
    assert (request.raw_path, request.raw_query) == (b"/v1/x", b"y=1")
    assert (request.headers.fields, request.client_name) == ([(b"X-A", b"1")], "ci")
    assert (request.body.length, exchange.server_name) == (4, "api.a.test")


@pytest.mark.parametrize(
    ("url", "target", "path"),
    [
        ("http://a.test", Target("a.test", 80), b"/"),
        ("http://a.test?q", Target("a.test", 80), b"/"),
        ("https://[::1]:8443/a%20b", Target("::1", 8443, True), b"/a%20b"),
        ("https://a.test/ä b", Target("a.test", 443), b"/%C3%A4%20b"),
    ],
)
def test_ways_to_write_a_url(url: str, target: Target, path: bytes) -> None:
    request = Hypothetical.parse("GET", url).exchange().request

    assert (request.target, request.raw_path) == (target, path)


@pytest.mark.parametrize("url", ["a.test:22", "https://a.test:22"])
def test_connect_takes_a_host_and_a_port(url: str) -> None:
    request = Hypothetical.parse("CONNECT", url, [("User-Agent", "x")]).exchange().request

    assert (request.method, request.scheme, request.target) == ("CONNECT", "tunnel", Target("a.test", 22))
    assert request.headers.fields == [(b"User-Agent", b"x")]


@pytest.mark.parametrize(
    ("url", "fields", "reason"),
    [
        ("http://a.test/x/../y", [], "path contains dot segments"),
        ("http://a.test/", [("Host", "b.test"), ("Host", "a.test")], "more than one Host header"),
        ("http://0x7f.1/", [], "malformed IPv4 address"),
        ("http://a.test/", [("X-A", "\x01")], "malformed header field"),
    ],
)
def test_what_the_proxy_refuses_is_refused_in_its_words(
    url: str, fields: list[tuple[str, str]], reason: str
) -> None:
    with pytest.raises(BadRequest, match=reason):
        Hypothetical.parse("GET", url, fields).exchange()


def test_a_host_field_takes_the_place_of_ours() -> None:
    request = Hypothetical.parse("GET", "http://a.test/", [("host", "b.test")]).exchange().request

    assert request.target == Target("b.test", 80)


@pytest.mark.parametrize(
    ("method", "url", "fields", "sentence"),
    [
        ("GE T", "http://a.test/", [], "is not a method"),
        ("GET", "ftp://a.test/", [], "is not a URL of the web"),
        ("GET", "a.test/x", [], "is not a URL of the web"),
        ("GET", "http://me:pw@a.test/", [], "user name or a password"),
        ("GET", "http://bücher.test/", [], "A-label"),
        ("CONNECT", "a.test/x", [], "not the target of a CONNECT"),
        ("CONNECT", "ü.test:1", [], "A-label"),
        ("GET", "http://a.test/", [("X A", "1")], "not the name of a header field"),
        ("GET", "http://a.test/", [("Content-Length", "1")], "follows from the body"),
        ("GET", "http://a.test/", [("X", "a\r\nY: b")], "line break"),
    ],
)
def test_what_no_client_could_send_makes_no_question(
    method: str, url: str, fields: list[tuple[str, str]], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Hypothetical.parse(method, url, fields)


async def test_nothing_comes_from_a_connection() -> None:
    from iron_proxy.inspection.hypothetical import _NO_SOURCE

    assert (await _NO_SOURCE.read_body(), _NO_SOURCE.read_body_nowait()) == (b"", b"")
