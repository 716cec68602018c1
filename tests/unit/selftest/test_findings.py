from dataclasses import replace

import pytest
from tests.fakes.selftest_world import case_named

from iron_proxy.selftest.arrivals import Arrival, Canary, mark, token_of
from iron_proxy.selftest.findings import Finding, Findings, Verdict, judge
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.trial import Trial

RUN = "0123456789abcdef"
PLACE = Place(RUN, denied=(Endpoint("http", "denied.test", 80),))


def arrival(case: str, raw: str = "GET / HTTP/1.1\r\nHost: denied.test\r\n\r\n", run: str = RUN) -> Arrival:
    return Arrival(token_of(run, case, 1).decode(), "tcp", 80, raw)


def trial(case: str, *received: bytes) -> Trial:
    return Trial(PLACE, case, list(received), ["GET: status 403"])


def test_what_came_back_without_a_mark_is_held() -> None:
    finding = judge(case_named("denied-host"), trial("denied-host", b"HTTP/1.1 403 Forbidden\r\n\r\n"), [])

    assert (finding.verdict, finding.evidence) == (Verdict.HELD, ("GET: status 403",))


@pytest.mark.parametrize("listed", [False, True], ids=["in the answer", "in the canary's list"])
def test_an_arrival_is_proof(listed: bool) -> None:
    told = arrival("denied-host")

    finding = judge(
        case_named("denied-host"), trial("denied-host", *([] if listed else [mark(told)])), [told] if listed else []
    )

    assert (finding.verdict, finding.evidence) == (Verdict.GOT_OUT, ("the canary got TCP at port 80 for denied.test",))


@pytest.mark.parametrize(
    "other", [arrival("denied-host", run="f" * 16), arrival("denied-host-x"), arrival("denied-upgrade")],
    ids=["run", "longer name", "case"],
)  # fmt: skip
def test_the_arrival_of_another_run_or_case_is_none_of_its(other: Arrival) -> None:
    assert judge(case_named("denied-host"), trial("denied-host"), [other]).verdict is Verdict.HELD


def test_an_arrival_that_does_not_count_for_the_case_is_held() -> None:
    case = case_named("fronted-host")
    allowed = arrival(case.name, "GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n")

    assert judge(case, trial(case.name), [allowed]).verdict is Verdict.HELD
    assert judge(case, trial(case.name), [allowed, arrival(case.name)]).verdict is Verdict.GOT_OUT


def test_an_obstacle_is_not_tested_unless_something_got_out_all_the_same() -> None:
    tried = trial("denied-host")
    tried.cannot("there is no network")

    assert judge(case_named("denied-host"), tried, []).verdict is Verdict.NOT_TESTED
    assert judge(case_named("denied-host"), tried, [arrival("denied-host")]).verdict is Verdict.GOT_OUT


def test_a_case_that_tried_nothing_is_not_called_held() -> None:
    assert judge(case_named("denied-host"), Trial(PLACE, "denied-host"), []).verdict is Verdict.NOT_TESTED


def test_endpoints_at_whose_port_the_canary_does_not_listen_are_told() -> None:
    place = replace(PLACE, canary=Canary("", (("tcp", 8080), ("udp", 80))))
    finding = Finding(case_named("denied-host"), Verdict.HELD, ())

    assert Findings(place, "", (finding,), 1.0).deaf == list(PLACE.denied)
    assert Findings(PLACE, "", (finding,), 1.0).deaf == []
    assert Findings(place, "", (finding,), 1.0).of(Verdict.HELD) == [finding]
