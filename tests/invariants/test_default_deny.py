"""Nothing is dialled, and no name is looked up, before policy has said yes: for whatever a client may send."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.configurations import base_config
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import ALL_WAYS, Way, way_id

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "BREW"]


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("method", METHODS)
def test_no_method_gets_past_policy(proxy: RunningProxy, way: Way, method: str) -> None:
    answer = proxy.ask(way, host="other.test", method=method)

    assert answer.status == 403


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    host=st.text("abcdeo.thrs-_:@/\\%[]0123456789*", min_size=1, max_size=24).filter(
        lambda text: "ok.test" not in text
    ),
    form=st.sampled_from(["GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "GET http://{}/ HTTP/1.1\r\nHost: {}\r\n\r\n"]),
)
def test_a_host_that_is_not_listed_is_neither_looked_up_nor_dialled(proxy: RunningProxy, host: str, form: str) -> None:
    queries = len(proxy.internet.dns.queries)

    answer = proxy.exchange(Way.HTTP, form.format(host, host).encode())

    assert answer.status in (400, 403)
    assert len(proxy.internet.dns.queries) == queries
    assert proxy.arrived() == []


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_rule_that_admits_the_tunnel_does_not_admit_the_request(proxy: RunningProxy, way: Way) -> None:
    queries = len(proxy.internet.dns.queries)

    answer = proxy.ask(way, "/not/allowed", host="rules.test")

    assert answer.status == 403
    assert len(proxy.internet.dns.queries) == queries, "the tunnel alone may not lead to a lookup"


def test_an_open_tunnel_alone_dials_nothing(proxy: RunningProxy) -> None:
    accepted = [recorder.accepted for recorder in proxy.internet.recorders]
    queries = len(proxy.internet.dns.queries)

    for way in (Way.CONNECT_PLAIN, Way.CONNECT_TLS, Way.SOCKS_PLAIN, Way.SOCKS_TLS):
        proxy.open(way, "ok.test").close()

    assert [recorder.accepted for recorder in proxy.internet.recorders] == accepted
    assert len(proxy.internet.dns.queries) == queries


def test_the_policy_of_the_base_configuration_is_what_these_tests_mean(proxy: RunningProxy) -> None:
    """Every refusal above is worth something only if the same path serves what is allowed."""
    assert base_config(proxy.internet, proxy.ca)["transforms"][0]["name"] == "allowlist"
    assert {way: proxy.ask(way).status for way in ALL_WAYS} == dict.fromkeys(ALL_WAYS, 200)
