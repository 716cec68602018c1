"""Configured clients, with curl: by address on every listener, by password on the tunnel listener, with rules."""

import shutil
from typing import Any

import pytest
from tests.conftest import Running
from tests.end_to_end.test_curl import address, curl, route, url
from tests.fakes.configurations import allowlist
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import Way, way_id

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]

PASSWORD = "CANARY-client-77aa01bc"
AGENT: dict[str, Any] = {"name": "agent", "password": {"type": "env", "var": "AGENT_PASSWORD"}}
TUNNELS = [way for way in Way if way.is_tunnel]


def with_clients(
    running: Running, *clients: dict[str, Any], require: bool = False, only: tuple[str, ...] = ("agent",)
) -> RunningProxy:
    rules = [{"host": "ok.test", "clients": [*only]}]
    proxy = running(
        clients=[*clients],
        transforms=[allowlist(domains=["a.wild.test"], cidrs=[], rules=rules), {"name": "annotate", "config": {
            "annotations": [{"rules": [{"host": "*"}], "headers": ["Proxy-Authorization"]}]}}],
        env={"AGENT_PASSWORD": PASSWORD},
        proxy__require_client=require,
    )  # fmt: skip
    proxy.secrets = [PASSWORD]
    return proxy


def login(proxy: RunningProxy, way: Way, password: str = PASSWORD) -> list[str]:
    *options, there = route(proxy, way)
    scheme, _, authority = there.partition("://")
    return [*options, f"{scheme}://agent:{password}@{authority}"]


@pytest.mark.parametrize("way", list(Way), ids=way_id)
def test_a_rule_for_a_client_is_for_its_address(running: Running, way: Way) -> None:
    proxy = with_clients(running, {"name": "agent", "cidrs": ["127.0.0.0/8"]})
    proxy.started += 1 + way.is_tunnel

    done = curl(proxy, *route(proxy, way), url(proxy, way, "/"))

    assert (done.returncode, done.stdout) == (0, b"ok\n")
    assert {record["client"] for record in proxy.new_records()} == {"agent"}


@pytest.mark.parametrize("way", list(Way), ids=way_id)
def test_a_rule_for_a_client_is_for_nobody_else(running: Running, way: Way) -> None:
    proxy = with_clients(running, AGENT, {"name": "other", "cidrs": ["127.0.0.0/8"]})
    proxy.started += 1

    done = curl(
        proxy, *route(proxy, way), "-o", "/dev/null", "-w", "%{http_code} %{http_connect}", url(proxy, way, "/")
    )

    assert b"403" in done.stdout or done.returncode == 97
    assert proxy.last_record()["reason"] == "a rule matches the host, but not the client"
    assert proxy.last_record()["client"] == "other"


@pytest.mark.parametrize("way", TUNNELS, ids=way_id)
def test_a_password_opens_a_tunnel_and_holds_for_what_is_inside(running: Running, way: Way) -> None:
    proxy = with_clients(running, AGENT, require=True)
    proxy.started += 2

    done = curl(proxy, *login(proxy, way), url(proxy, way, "/"))

    assert (done.returncode, done.stdout) == (0, b"ok\n")
    assert [record["client"] for record in proxy.new_records()] == ["agent", "agent"]


def test_a_password_goes_with_a_forward_proxy_request_and_no_further(running: Running) -> None:
    proxy = with_clients(running, AGENT, require=True)
    proxy.started += 1

    done = curl(proxy, "-x", f"http://agent:{PASSWORD}@{address(proxy, 'tunnel')}", url(proxy, Way.HTTP, "/x"))

    assert done.stdout == b"ok\n"
    assert b"proxy-authorization" not in proxy.arrived()[-1].head.lower()


@pytest.mark.parametrize("password", ["wrong", ""], ids=["wrong", "none"])
@pytest.mark.parametrize("way", TUNNELS, ids=way_id)
def test_without_the_password_there_is_no_tunnel(running: Running, way: Way, password: str) -> None:
    proxy = with_clients(running, AGENT, require=True)
    is_socks = way.name.startswith("SOCKS")
    proxy.started += not is_socks  # an opening that never named a target is an event
    how = login(proxy, way, password) if password else route(proxy, way)

    done = curl(proxy, *how, "-o", "/dev/null", "-w", "%{http_connect}", url(proxy, way, "/"))

    assert done.returncode == 97 if is_socks else done.stdout == b"407"
    assert not proxy.arrived()


@pytest.mark.parametrize("way", [Way.HTTP, Way.HTTPS], ids=way_id)
def test_where_a_client_is_required_the_unknown_are_refused(running: Running, way: Way) -> None:
    proxy = with_clients(running, AGENT, require=True)
    proxy.started += 1

    done = curl(proxy, *route(proxy, way), "-o", "/dev/null", "-w", "%{http_code}", url(proxy, way, "/", "a.wild.test"))

    assert done.stdout == b"403"
    assert proxy.last_record()["reason"] == "the client is none of those configured"
