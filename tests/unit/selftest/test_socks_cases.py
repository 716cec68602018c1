from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.selftest_world import holding_place, leaky_place, try_case

from iron_proxy.config.proxy_urls import parse_proxy_url
from iron_proxy.selftest.findings import Verdict


@pytest.mark.slow
def test_a_socks_proxy_is_the_usual_way_of_every_case(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        assert place.proxy is not None
        socks = replace(place, proxy=parse_proxy_url(f"socks5h://127.0.0.1:{place.proxy.target.port}"))
        verdicts = {name: try_case(socks, name).verdict for name in ("denied-host", "socks-denied", "tunnel-raw")}

    assert set(verdicts.values()) == {Verdict.GOT_OUT}


def test_a_proxy_that_speaks_no_socks_holds(tmp_path: Path) -> None:
    with holding_place(tmp_path) as place:
        finding = try_case(place, "socks-commands")

    assert finding.verdict is Verdict.HELD
    assert finding.evidence == ("SOCKS5 greeting: the proxy does not speak SOCKS5",)


def test_what_bind_and_udp_are_granted_is_told(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        finding = try_case(place, "socks-commands")

    assert finding.evidence == ("BIND was granted", "UDP ASSOCIATE was granted")
