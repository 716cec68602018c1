from dataclasses import replace

import pytest

from iron_proxy.config.proxy_urls import parse_proxy_url
from iron_proxy.selftest.arrivals import Arrival, Canary
from iron_proxy.selftest.case import Need, missing, names_denied
from iron_proxy.selftest.place import Endpoint, Place

BARE = Place("0123456789abcdef")
FULL = replace(
    BARE,
    denied=(Endpoint("http", "denied.test", 80), Endpoint("http", "203.0.113.9", 80)),
    allowed=Endpoint("http", "allowed.test", 80),
    canary=Canary("", ()),
    proxy=parse_proxy_url("http://127.0.0.1:8080"),
)


@pytest.mark.parametrize("need", Need)
def test_a_bare_place_lacks_everything_and_a_full_one_nothing(need: Need) -> None:
    assert missing(need, BARE)
    assert not missing(need, FULL)


def test_a_socks_proxy_is_no_http_proxy() -> None:
    place = replace(FULL, proxy=parse_proxy_url("socks5://127.0.0.1:1080"))

    assert missing(Need.HTTP_PROXY, place)
    assert not missing(Need.PROXY, place)


def test_an_ipv6_address_is_no_ipv4_address() -> None:
    assert missing(Need.DENIED_IPV4, replace(FULL, denied=(Endpoint("http", "2001:db8::9", 80),)))


@pytest.mark.parametrize(
    ("host", "is_denied"),
    [("denied.test", True), ("x.denied.test", True), ("allowed.test", False), ("undenied.test", False)],
)
def test_what_names_a_denied_host_or_one_below_it_counts(host: str, is_denied: bool) -> None:
    arrival = Arrival("t", "tcp", 80, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")

    assert names_denied(arrival, FULL) is is_denied
