import pytest

from iron_proxy.config.proxy_urls import parse_proxy_url
from iron_proxy.errors import UpstreamError
from iron_proxy.messages.authority import Target
from iron_proxy.upstream.outbound_proxy import DIRECT, OutboundProxies, Route, RouteKind, is_here, refusal_text

A, B = "http://a.proxy:1", "http://b.proxy:2"
SECRET = "hunter2canary"


def described(route: Route) -> str:
    return f"{route.kind.name} {route.proxy.target.host if route.proxy else ''}".strip()


@pytest.mark.parametrize(
    ("http_proxy", "https_proxy", "scheme", "tunnel", "way"),
    [
        ("", "", "http", False, "DIRECT"),
        ("", "", "https", False, "DIRECT"),
        (A, B, "http", False, "ABSOLUTE_FORM a.proxy"),
        (A, B, "http", True, "TUNNELLED a.proxy"),
        (A, B, "https", False, "TUNNELLED b.proxy"),
        (A, B, "https", True, "TUNNELLED b.proxy"),
        (A, B, "tls", True, "TUNNELLED b.proxy"),
        (A, "", "https", False, "DIRECT"),
        ("", B, "http", False, "DIRECT"),
        ("", B, "http", True, "DIRECT"),
        ("https://a.proxy", "", "http", False, "ABSOLUTE_FORM a.proxy"),
        ("socks5://a.proxy", "", "http", False, "TUNNELLED a.proxy"),
        ("socks5h://a.proxy", "", "http", True, "TUNNELLED a.proxy"),
        ("", "socks5h://b.proxy", "https", False, "TUNNELLED b.proxy"),
    ],
)
def test_the_scheme_of_the_request_picks_the_way(
    http_proxy: str, https_proxy: str, scheme: str, tunnel: bool, way: str
) -> None:
    proxies = OutboundProxies.from_texts(http_proxy, https_proxy)

    assert described(proxies.route(scheme, Target("ok.test", 8000), tunnel=tunnel)) == way


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("db.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost.test", False),
        ("notlocalhost", False),
        ("128.0.0.1", False),
        ("192.168.0.1", False),
        ("::2", False),
        ("127.0.0.1.test", False),
    ],
)
def test_this_machine_is_never_reached_through_a_proxy(host: str, here: bool) -> None:
    proxies = OutboundProxies.from_texts(A, A)

    assert is_here(host) == here
    assert (proxies.route("https", Target(host, 443)) == DIRECT) == here
    assert (proxies.route("http", Target(host, 80)) == DIRECT) == here


def test_no_proxy_goes_direct_with_its_ports() -> None:
    proxies = OutboundProxies.from_texts(A, B, "intern.test:8443,10.0.0.0/8")

    ways = [
        described(proxies.route("https", target))
        for target in (Target("api.intern.test", 8443), Target("api.intern.test", 443), Target("10.0.0.1", 1, True))
    ]

    assert ways == ["DIRECT", "TUNNELLED b.proxy", "DIRECT"]


@pytest.mark.parametrize("texts", [("http//bad url", "", ""), ("", "::garbage", ""), ("", "", "10.0.0.0/99")])
def test_a_broken_setting_is_an_error_and_never_a_direct_connection(texts: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="proxy"):
        OutboundProxies.from_texts(*texts)


# --- what a route asks of requests ----------------------------------------------------------------------------------


def plain_route(url: str) -> Route:
    return OutboundProxies.from_texts(http_proxy=url).route("http", Target("ok.test", 80))


@pytest.mark.parametrize(
    ("target", "raw_target", "absolute"),
    [
        (Target("ok.test", 80), b"/a?b=%20c", b"http://ok.test/a?b=%20c"),
        (Target("ok.test", 8080), b"/", b"http://ok.test:8080/"),
        (Target("2001:db8::1", 80, True), b"/", b"http://[2001:db8::1]/"),
        (Target("ok.test", 80), b"*", b"http://ok.test"),
    ],
    ids=["the default port", "another port", "IPv6", "OPTIONS *"],
)
def test_a_proxy_that_reads_requests_gets_them_in_absolute_form(
    target: Target, raw_target: bytes, absolute: bytes
) -> None:
    assert plain_route(A).request_target(target, raw_target) == absolute


@pytest.mark.parametrize("route", [DIRECT, plain_route("socks5://u:p@a.proxy")], ids=["direct", "tunnelled"])
def test_on_any_other_way_a_request_stays_as_it_is(route: Route) -> None:
    assert route.request_target(Target("ok.test", 80), b"/a") == b"/a"
    assert route.proxy_fields("GET") == b""


def test_a_proxy_that_reads_requests_gets_its_credentials_with_each() -> None:
    assert plain_route("http://x:y@a.proxy").proxy_fields("GET") == b"Proxy-Authorization: Basic eDp5\r\n"
    assert plain_route(A).proxy_fields("GET") == b""


@pytest.mark.parametrize("method", ["TRACE", "trace"])
def test_trace_goes_without_credentials_or_not_at_all(method: str) -> None:
    with pytest.raises(UpstreamError, match="TRACE") as caught:
        plain_route(f"http://x:{SECRET}@a.proxy").proxy_fields(method)

    assert SECRET not in str(caught.value)
    assert plain_route(A).proxy_fields(method) == b""


def test_a_route_does_not_print_credentials() -> None:
    route = plain_route(f"http://user:{SECRET}@a.proxy")

    assert SECRET not in f"{route} {route!r}"


def test_a_challenge_of_the_proxy_is_not_the_origins_answer() -> None:
    with pytest.raises(UpstreamError, match=r"outbound proxy a\.proxy:1: it answered 407"):
        plain_route(A).check_status(407)


@pytest.mark.parametrize(("route", "status"), [(DIRECT, 407), (plain_route(A), 200), (plain_route(A), 403)])
def test_every_other_answer_is_left_alone(route: Route, status: int) -> None:
    route.check_status(status)


@pytest.mark.parametrize(("status", "words"), [(407, "credentials"), (403, "rules"), (503, "answered 503")])
def test_a_refusal_is_told_with_its_status(status: int, words: str) -> None:
    assert str(status) in refusal_text(status)
    assert words in refusal_text(status)


def test_routes_to_the_same_proxy_are_equal_and_can_be_keys() -> None:
    proxies = OutboundProxies.from_texts(f"http://user:{SECRET}@a.proxy", B)

    routes = [proxies.route("http", Target(host, 80)) for host in ("a.test", "b.test")]

    assert len(set(routes)) == 1
    assert routes[0].kind is RouteKind.ABSOLUTE_FORM


def test_proxies_are_read_as_a_configuration_has_them() -> None:
    proxies = OutboundProxies(parse_proxy_url(A))

    assert described(proxies.route("http", Target("ok.test", 80))) == "ABSOLUTE_FORM a.proxy"


def test_proxies_are_told_without_credentials() -> None:
    assert OutboundProxies().texts == {}
    assert OutboundProxies.from_texts(f"user:{SECRET}@a.proxy:1", "socks5h://b.proxy").texts == {
        "http": "http://a.proxy:1",
        "https": "socks5h://b.proxy:1080",
    }
