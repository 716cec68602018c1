"""The address that is connected to is the address that was checked, whatever names do between two lookups."""

import itertools

import pytest
from tests.fakes.dns_upstream import ByType
from tests.fakes.internet import ALLOWED, DENIED, Internet
from tests.fakes.recorder import RawReply
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import ALL_WAYS, Way, way_id

CLOSING = RawReply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

# What a name answers to one question after the other.
SCRIPTS: dict[str, list[list[str]]] = {
    "good, then bad": [[ALLOWED], [DENIED]],
    "bad, then good": [[DENIED], [ALLOWED]],
    "both at once": [[ALLOWED, DENIED], [DENIED, ALLOWED]],
    "dead, then bad": [["127.0.1.77"], [DENIED]],
    "dead and bad": [["127.0.1.77", DENIED]],
    "bad as IPv6": [[DENIED, ALLOWED], [ALLOWED]],
}


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in SCRIPTS.items()])
def test_a_name_that_changes_leads_to_no_denied_address(
    proxy: RunningProxy, internet: Internet, way: Way, script: list[list[str]]
) -> None:
    answers = itertools.cycle(script)
    internet.dns.entries["multi.test"] = ByType(a=lambda: next(answers))
    for recorder in (internet.allowed, internet.allowed_tls):
        recorder.raw_replies["close"] = CLOSING

    statuses = {proxy.ask(way, "/raw/close", host="multi.test").status for _ in range(6)}

    assert statuses <= {200, 502}
    # O4, after the test: the denied origin saw no connection.


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("address", ["::ffff:127.0.0.5", "64:ff9b::7f00:5", "2002:7f00:5::1"])
def test_an_address_inside_another_address_is_judged(
    proxy: RunningProxy, internet: Internet, way: Way, address: str
) -> None:
    internet.dns.entries["multi.test"] = ByType(aaaa=[address])

    assert proxy.ask(way, host="multi.test").status == 502
    assert "127.0.0.0/24" in proxy.last_record()["error"]
