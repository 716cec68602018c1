from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.selftest_world import case_named, leaky_place, try_case

from iron_proxy.selftest.arrivals import Arrival
from iron_proxy.selftest.findings import Verdict
from iron_proxy.selftest.mismatch_cases import fronted_host, is_raw_text, request_for
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.trial import Trial


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["fronted-host", "fronted-server-name", "connect-two-names", "tunnel-raw", "upgrade-refused"]
)
def test_it_gets_out_of_an_opaque_tunnel_as_well(name: str, tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        assert place.allowed is not None
        in_tls = replace(
            place,
            allowed=Endpoint("https", place.allowed.host, place.allowed.port),
            denied=(Endpoint("https", "denied.test", place.allowed.port),),
        )
        assert try_case(in_tls, name).verdict is Verdict.GOT_OUT


@pytest.mark.parametrize(("raw", "counts"), [("SSH-2.0-x", True), ("GET /SSH-2.0-x HTTP/1.1\r\n", False)])
def test_text_counts_as_it_was_sent(raw: str, counts: bool) -> None:
    assert is_raw_text(Arrival("t", "tcp", 443, raw), Place("0" * 16)) is counts


def test_what_arrives_for_the_allowed_host_does_not_count() -> None:
    place = Place("0" * 16, denied=(Endpoint("http", "denied.test", 80),))
    rewritten = Arrival("t", "tcp", 80, "GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "allowed.test")

    assert not case_named("request-two-names").counts(rewritten, place)


def test_a_request_is_in_origin_form() -> None:
    assert request_for(Endpoint("http", "a.test", 8080), b"T").startswith(b"GET /T HTTP/1.1\r\nHost: a.test:8080\r\n")


def test_it_needs_an_allowed_endpoint() -> None:
    place = Place("0" * 16, denied=(Endpoint("http", "denied.test", 80),))

    with pytest.raises(ValueError, match="allowed endpoint"):
        fronted_host(place, Trial(place, "fronted-host"))
