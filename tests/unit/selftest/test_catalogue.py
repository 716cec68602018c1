"""Every case of the catalogue, where nothing holds it and where everything does: each must be able to end both ways."""

from collections.abc import Iterator

import pytest
from tests.fakes.selftest_world import holding_place, http2_place, leaky_place

from iron_proxy.selftest.case import Group
from iron_proxy.selftest.catalogue import CASES, NAMES
from iron_proxy.selftest.findings import Finding, Verdict
from iron_proxy.selftest.session import run_selftest

# Tried in files of their own: by what the machine grants (pings, IPv6), or with a file system of their own.
ELSEWHERE = {"direct-icmp", "direct-ipv6"} | {case.name for case in CASES if case.group is Group.SURROUNDINGS}
HTTP2 = {name for name in NAMES if name.startswith("http2-")}
BY_NETWORK = [case for case in CASES if case.name not in ELSEWHERE | HTTP2]


@pytest.fixture(scope="module")
def leaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finding]]:
    with leaky_place(tmp_path_factory.mktemp("leaky")) as place:
        yield {each.case.name: each for each in run_selftest(place, BY_NETWORK, lambda: None).findings}


@pytest.fixture(scope="module")
def leaked_by_http2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finding]]:
    cases = [case for case in CASES if case.name in HTTP2]
    with http2_place(tmp_path_factory.mktemp("http2")) as place:
        yield {each.case.name: each for each in run_selftest(place, cases, lambda: None).findings}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finding]]:
    with holding_place(tmp_path_factory.mktemp("holding")) as place:
        yield {each.case.name: each for each in run_selftest(place, BY_NETWORK, lambda: None).findings}


@pytest.mark.parametrize("name", [case.name for case in BY_NETWORK])
def test_a_case_gets_out_where_nothing_holds_it(name: str, leaked: dict[str, Finding]) -> None:
    assert leaked[name].verdict is Verdict.GOT_OUT, leaked[name].evidence


@pytest.mark.parametrize("name", sorted(HTTP2))
def test_a_case_of_http2_gets_out_of_a_careless_translation(name: str, leaked_by_http2: dict[str, Finding]) -> None:
    assert leaked_by_http2[name].verdict is Verdict.GOT_OUT, leaked_by_http2[name].evidence


@pytest.mark.parametrize("name", [case.name for case in BY_NETWORK])
def test_a_case_is_held_where_everything_is_refused(name: str, held: dict[str, Finding]) -> None:
    assert held[name].verdict is Verdict.HELD, held[name].evidence


def test_names_are_unique_and_fit_a_token() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(len(name) <= 30 for name in NAMES)


def test_cases_stand_in_the_order_of_their_groups() -> None:
    order = [list(Group).index(case.group) for case in CASES]

    assert order == sorted(order)
