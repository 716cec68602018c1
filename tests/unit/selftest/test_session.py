from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.selftest_world import case_named, leaky_place, running_canary

from iron_proxy.selftest.catalogue import CASES
from iron_proxy.selftest.findings import Verdict
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.session import run_selftest

RUN = "0123456789abcdef"


def test_an_allowed_canary_that_cannot_be_reached_means_that_nothing_could_be_tested(tmp_path: Path) -> None:
    place = Place(RUN, allowed=Endpoint("http", "127.0.0.77", 80))

    findings = run_selftest(place, CASES, lambda: None)

    assert findings.control.startswith("http://127.0.0.77:80, which should be allowed, cannot be reached: ")
    assert findings.of(Verdict.NOT_TESTED) == list(findings.findings)


def test_something_else_than_a_canary_means_the_same(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        assert place.allowed is not None
        other = replace(place, allowed=replace(place.allowed, host="gone.test"))
        findings = run_selftest(other, CASES[:1], lambda: None)

    assert "is no canary that may be reached from here: got no HTTP answer" in findings.control


@pytest.mark.slow
def test_the_canary_is_known_afterwards_and_a_tunnel_that_is_not_read_is_seen(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        assert place.allowed is not None
        opaque = replace(place, allowed=replace(place.allowed, scheme="https"))
        plain = run_selftest(place, [], lambda: None)
        tls = run_selftest(opaque, [case_named("smuggle-nul")], lambda: None)

    assert (plain.place.passes_tls, tls.place.passes_tls) == (False, True)
    assert plain.place.hears("tcp") == plain.place.hears("udp")
    assert tls.findings[0].verdict is Verdict.NOT_TESTED


def test_what_a_case_needs_and_lacks_is_told() -> None:
    findings = run_selftest(Place(RUN), [case_named("request-two-names")], lambda: None)

    assert findings.findings[0].evidence == (
        "needs an allowed canary: -allowed URL; a denied canary: -against URL; "
        "an HTTP proxy to speak to: HTTPS_PROXY or -proxy http://HOST:PORT",
    )


@pytest.mark.slow
def test_an_arrival_whose_answer_was_lost_is_found_in_the_list() -> None:
    with running_canary() as canary:
        address = Endpoint("http", "127.0.0.1", canary.port)
        place = Place(RUN, denied=(address,), allowed=address, timeout=5.0, settling=2.0)
        case = case_named("direct-udp")

        def shy(place: Place, trial: object) -> None:
            import socket

            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(f"ipst-{RUN}-direct-udp-1-end".encode(), ("127.0.0.1", canary.other_port))

        findings = run_selftest(place, [replace(case, attempt=shy)], lambda: None)

    assert findings.findings[0].verdict is Verdict.GOT_OUT


def test_a_case_that_fails_itself_is_not_tested_and_costs_no_other() -> None:
    def fail(place: Place, trial: object) -> None:
        raise UnicodeError("label too long")

    cases = [replace(case_named("direct-tcp"), attempt=fail), case_named("env-secrets")]

    broken, other = run_selftest(Place(RUN), cases, lambda: None).findings

    assert broken.evidence == ("the case itself failed with UnicodeError: label too long",)
    assert (broken.verdict, other.verdict) == (Verdict.NOT_TESTED, Verdict.HELD)


def test_an_interruption_ends_it() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_selftest(Place(RUN), [case_named("env-secrets")], interrupt)
