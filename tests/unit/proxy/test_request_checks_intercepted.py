"""On an intercepted connection the name decides; an address has to be the one, and the port too."""

import pytest
from tests.fakes.body_source import FakeBodySource
from tests.unit.proxy.test_request_checks import head

from iron_proxy.errors import BadRequest
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.proxy.request_checks import check_request

WEB, OTHER, SIX = Target("192.0.2.7", 80, True), Target("192.0.2.7", 8080, True), Target("2001:db8::7", 443, True)


def checked(head: RequestHead, original: Target, scheme: str = "http", server_name: str = "") -> Request:
    return check_request(
        head, FakeBodySource([]), scheme=scheme, server_name=server_name, tunnel=None, original_destination=original
    )


@pytest.mark.parametrize(
    ("host", "original", "target"),
    [
        (b"ok.test", WEB, Target("ok.test", 80)),
        (b"ok.test:80", WEB, Target("ok.test", 80)),
        (b"ok.test:8080", OTHER, Target("ok.test", 8080)),
        (b"ok.test", OTHER, Target("ok.test", 8080)),
        (b"192.0.2.7", WEB, WEB),
        (b"192.0.2.7:8080", OTHER, OTHER),
    ],
)
def test_the_name_is_the_host_and_the_port_is_the_connections(host: bytes, original: Target, target: Target) -> None:
    assert checked(head(host=host), original).target == target


def test_over_tls_too() -> None:
    assert checked(head(host=b"ok.test"), SIX, "https", "ok.test").target == Target("ok.test", 443)
    assert checked(head(host=b"[2001:db8:0::7]"), SIX, "https", "2001:db8::7").target == SIX


@pytest.mark.parametrize(
    ("host", "original", "reason"),
    [
        (b"ok.test:81", WEB, "another port"),
        (b"ok.test:80", OTHER, "another port"),
        (b"192.0.2.8", WEB, "another address"),
        (b"[::ffff:192.0.2.7]", WEB, "another address"),
        (b"127.0.0.1", WEB, "another address"),
    ],
)
def test_a_host_field_that_says_otherwise_is_misdirected(host: bytes, original: Target, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason) as refused:
        checked(head(host=host), original)

    assert refused.value.status == 421


def test_the_server_name_still_has_to_be_the_host() -> None:
    with pytest.raises(BadRequest, match="SNI and Host"):
        checked(head(host=b"ok.test"), SIX, "https", "2001:db8::7")


@pytest.mark.parametrize("original", [WEB, OTHER, SIX])
def test_http_1_0_without_a_host_field_is_for_the_address(original: Target) -> None:
    assert checked(head(host=None, minor=0), original).target == original


def test_http_1_1_has_to_have_a_host_field() -> None:
    with pytest.raises(BadRequest, match="missing Host"):
        checked(head(host=None), WEB)


def test_http_1_0_with_an_empty_host_field_is_no_better() -> None:
    with pytest.raises(BadRequest, match="missing Host"):
        checked(head(host=b"", minor=0), WEB)


def test_the_absolute_form_is_held_to_the_same() -> None:
    assert checked(head(b"http://ok.test/a", b"ok.test"), WEB).target == Target("ok.test", 80)
    with pytest.raises(BadRequest, match="another address"):
        checked(head(b"http://192.0.2.8/a", b"192.0.2.8"), WEB)
