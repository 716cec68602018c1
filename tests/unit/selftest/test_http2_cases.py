from pathlib import Path

import pytest
from tests.fakes.selftest_world import leaky_place, try_case

from iron_proxy.selftest.arrivals import Arrival
from iron_proxy.selftest.findings import Verdict
from iron_proxy.selftest.http2_cases import has_transfer_encoding, shows_injection
from iron_proxy.selftest.place import Endpoint, Place


def test_without_an_https_canary_it_is_not_tested(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        finding = try_case(place, "http2-authority")

    assert finding.verdict is Verdict.NOT_TESTED
    assert "-allowed https://HOST" in finding.evidence[0]


@pytest.mark.slow
def test_where_http2_is_not_spoken_it_is_not_tested(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        assert place.allowed is not None
        allowed = Endpoint("https", place.allowed.host, place.allowed.port)
        finding = try_case(Place(place.run, place.denied, allowed, place.proxy), "http2-injection")

    assert finding.evidence == ("HTTP/2 is not spoken here",)


@pytest.mark.parametrize(
    ("raw", "injected", "encoded"),
    [
        ("GET / HTTP/1.1\r\nx-first: 1\r\nX-Injected: yes\r\n\r\n", True, False),
        ("GET / HTTP/1.1\r\nx-first: 1 X-Injected: yes\r\n\r\n", False, False),
        ("GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", False, True),
    ],
)
def test_what_counts(raw: str, injected: bool, encoded: bool) -> None:
    arrival = Arrival("t", "tls", 443, raw)

    assert shows_injection(arrival, Place("0" * 16)) is injected
    assert has_transfer_encoding(arrival, Place("0" * 16)) is encoded
