import pytest

from iron_proxy.selftest.arrivals import Canary
from iron_proxy.selftest.place import Endpoint, Place, parse_endpoint


@pytest.mark.parametrize(
    ("url", "endpoint", "is_address"),
    [
        ("http://Denied.test", Endpoint("http", "denied.test", 80), False),
        ("https://denied.test/", Endpoint("https", "denied.test", 443), False),
        ("http://203.0.113.9:8080", Endpoint("http", "203.0.113.9", 8080), True),
        ("https://[2001:db8::9]:8443", Endpoint("https", "2001:db8::9", 8443), True),
    ],
)
def test_an_endpoint_is_read_from_its_url(url: str, endpoint: Endpoint, is_address: bool) -> None:
    assert parse_endpoint(url) == endpoint
    assert endpoint.is_address is is_address


@pytest.mark.parametrize(
    "url", ["denied.test", "ftp://denied.test", "http://", "http://a/path", "http://a:0", "http://a@b", "http://ä.test"]
)
def test_anything_else_is_refused_with_the_form_that_is_wanted(url: str) -> None:
    with pytest.raises(ValueError, match="http://HOST"):
        parse_endpoint(url)


def test_an_ipv6_endpoint_is_written_with_brackets() -> None:
    assert str(Endpoint("http", "2001:db8::9", 80)) == "http://[2001:db8::9]:80"


def test_names_and_addresses_are_told_apart() -> None:
    name, address = Endpoint("http", "denied.test", 80), Endpoint("http", "203.0.113.9", 80)

    place = Place("0" * 16, denied=(name, address))

    assert (place.denied_names, place.denied_addresses) == ((name,), (address,))


def test_what_the_canary_hears_is_known_once_it_has_answered() -> None:
    place = Place("0" * 16)
    known = place.with_canary(Canary("ab", (("tcp", 80), ("udp", 80), ("tcp", 443))), passes_tls=True)

    assert place.hears("tcp") == ()
    assert (known.hears("tcp"), known.hears("udp"), known.passes_tls) == ((80, 443), (80,), True)
