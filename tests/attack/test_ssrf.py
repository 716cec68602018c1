"""SSRF: what may be dialled, names that point inwards, names that change, and the proxy asked to call itself."""

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, base_config
from tests.fakes.internet import Internet
from tests.fakes.recorder import RawReply
from tests.fakes.running_proxy import ProxyCA, RunningProxy, run_to_end
from tests.fakes.wire_client import ALL_WAYS, PLAIN_WAYS, Way, way_id

EVERYTHING = [allowlist(domains=["*"])]
CLOSING = RawReply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

FORBIDDEN_ADDRESSES = [
    # SSRF-01: what upstream denies as well.
    "127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fd00:ec2::254",
    # SSRF-02: what it dials.
    "0.0.0.0", "::", "0.1.2.3", "169.254.170.2", "169.254.170.23", "fd00:ec2::23", "fd20:ce::254", "100.100.100.200",
    "168.63.129.16", "192.0.0.192", "fe80::1", "224.0.0.1", "255.255.255.255", "ff02::1", "240.0.0.1",
    # SSRF-03: the same in other clothes.
    "::ffff:127.0.0.5", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1",
]  # fmt: skip


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_ssrf_01_02_03_a_name_that_leads_inwards_is_not_dialled(
    running: Running, internet: Internet, way: Way, address: str
) -> None:
    proxy = running(proxy__upstream_deny_cidrs=None, transforms=EVERYTHING)
    internet.dns.entries["inward.test"] = [address]

    answer = proxy.ask(way, host="inward.test")

    assert (answer.status, answer.body) == (502, b"bad gateway\n")
    record = proxy.last_record()
    assert (record["action"], record["level"]) == ("error", "ERROR")
    assert "denied by upstream_deny_cidrs" in record["error"]


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_denied_address_is_not_dialled_over_any_way(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way, host="lo.test")

    assert answer.status == 502
    assert "127.0.0.5 in 127.0.0.0/24" in proxy.last_record()["error"]


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("round", range(5))
def test_ssrf_06_of_several_addresses_only_the_permitted_one_is_dialled(
    proxy: RunningProxy, internet: Internet, way: Way, round: int
) -> None:
    for recorder in (internet.allowed, internet.allowed_tls):
        recorder.raw_replies["close"] = CLOSING

    answer = proxy.ask(way, "/raw/close", host="multi.test")

    assert answer.status in (200, 502)
    # The oracles see to it that the other address got no connection.


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_ssrf_07_the_address_checked_is_the_address_dialled(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    for recorder in (internet.allowed, internet.allowed_tls):
        recorder.raw_replies["close"] = CLOSING
    before = sum(query.name == "rebind.test" and query.record_type == "A" for query in internet.dns.queries)

    statuses = [proxy.ask(way, "/raw/close", host="rebind.test").status for _ in range(10)]

    assert set(statuses) == {200, 502}
    asked = sum(query.name == "rebind.test" and query.record_type == "A" for query in internet.dns.queries) - before
    assert asked == len(statuses), "one lookup per dial: what it gave is what is judged and dialled"


@pytest.mark.parametrize("listener", ["http", "tunnel", "metrics"])
@pytest.mark.parametrize("bound", ["127.0.0.1:0", ":0"], ids=["one address", "every address"])
def test_ssrf_09_the_proxy_does_not_call_itself(
    running: Running, internet: Internet, listener: str, bound: str
) -> None:
    listens: dict[str, Any] = {"proxy__http_listen": bound, "proxy__tunnel_listen": bound, "metrics": {"listen": bound}}
    proxy = running(transforms=EVERYTHING, proxy__upstream_deny_cidrs=[], **listens)
    internet.dns.entries["self.test"] = ["127.0.0.1"]
    before = proxy.descriptors()

    answer = proxy.ask(Way.HTTP, "/healthz", host_field=f"self.test:{proxy.addresses[listener][1]}")

    assert answer.status == 502
    assert "is a listener of this proxy" in proxy.last_record()["error"]
    assert proxy.descriptors() <= before + 4


@pytest.mark.parametrize("way", PLAIN_WAYS, ids=way_id)
def test_ssrf_15_an_empty_deny_list_dials_everything_and_the_start_says_so(
    running: Running, internet: Internet, way: Way
) -> None:
    internet.dns.entries["inner.test"] = ["127.0.0.1"]
    inner = internet.add_recorder("127.0.0.1")
    proxy = running(transforms=EVERYTHING, proxy__upstream_deny_cidrs=[])

    with proxy.open(way, "inner.test", inner.port) as session:
        proxy.started += 1
        session.send(f"GET / HTTP/1.1\r\nHost: inner.test:{inner.port}\r\n\r\n".encode())
        answer = session.read_answer()

    assert answer.status == 200
    assert "deny list is empty" in proxy.wait_for(lambda line: line["level"] == "WARN")["msg"]


def test_ssrf_15_a_bad_entry_of_the_deny_list_stops_the_start(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    config = base_config(internet, proxy_ca, proxy__upstream_deny_cidrs=["1.2.3.4"])

    ended = run_to_end(config, tmp_path, internet)

    assert ended.returncode == 2
    assert "proxy.upstream_deny_cidrs" in ended.stderr


@pytest.mark.parametrize("way", PLAIN_WAYS, ids=way_id)
def test_an_address_that_the_operator_named_is_dialled_past_the_default_list(
    running: Running, internet: Internet, way: Way
) -> None:
    proxy = running(
        proxy__upstream_deny_cidrs=None, transforms=[allowlist(domains=["inner.test"], cidrs=["127.0.1.9/32"])]
    )

    assert proxy.ask(way, host="127.0.1.9").status == 200


def test_a_name_that_leads_to_an_address_the_operator_named_is_not_dialled(
    running: Running, internet: Internet
) -> None:
    proxy = running(
        proxy__upstream_deny_cidrs=None, transforms=[allowlist(domains=["inner.test"], cidrs=["127.0.1.9/32"])]
    )
    internet.dns.entries["inner.test"] = ["127.0.1.9"]
    assert proxy.ask(Way.HTTP, host="127.0.1.9").status == 200  # leaves an idle connection in the pool

    answer = proxy.ask(Way.HTTP, host="inner.test")

    assert answer.status == 502
