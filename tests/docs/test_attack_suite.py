"""The page of the attack suite is what pytest collects, and says of each case that is not covered, or less, why."""

import os

import pytest
from tests.docs.attack_cases import ALL_CASES, ELSEWHERE, FEWER, NOT_COVERED, cases_of, names_a_case
from tests.docs.attack_collection import Run, collected
from tests.docs.attack_page import PAGE, WAYS_OF, coverages, page_text
from tests.docs.attack_reading import TUNNEL, is_in_http2, splits_in, ways_in
from tests.docs.named_tests import named_in
from tests.fakes.http2_peer import speak
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import ALL_WAYS, SPLITS, Way


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return collected()


def test_the_page_is_what_is_collected(runs: list[Run]) -> None:
    if os.environ.get("WRITE_ATTACK_PAGE"):
        PAGE.write_text(page_text(runs), encoding="utf-8")

    is_current = PAGE.read_text(encoding="utf-8") == page_text(runs)

    assert is_current, "run: WRITE_ATTACK_PAGE=1 pytest tests/docs/test_attack_suite.py"


def test_every_case_has_a_test_or_a_reason(runs: list[Run]) -> None:
    tested = coverages(runs).keys()

    assert sorted({*ALL_CASES} - tested) == sorted([*ELSEWHERE, *NOT_COVERED])
    assert not ELSEWHERE.keys() & NOT_COVERED.keys()


def test_tests_without_a_number_are_there() -> None:
    named = list(named_in(" ".join(f"`{test}`" for tests in ELSEWHERE.values() for test in tests)))

    assert len(named) == sum(map(len, ELSEWHERE.values()))
    assert [each for each in named if not each.is_test or not each.is_there()] == []


def test_whatever_runs_over_fewer_ways_or_splits_has_a_reason(runs: list[Run]) -> None:
    covered = coverages(runs)

    assert [case for case in ALL_CASES if case in covered and covered[case].is_fewer] == list(FEWER)


# --- how the tool reads tests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "identity", "cases"),
    [
        ("test_pol_01_a_host", "", ["POL-01"]),
        ("test_h1_08_10_a_body", "", ["H1-08", "H1-10"]),
        ("test_tun_21_aud_09_a_stop", "", ["TUN-21", "AUD-09"]),
        ("test_an_authority", "[pol-07 escaped dot-http]", ["POL-07"]),
        ("test_h1_17_two", "[h1-17 a tab-http]", ["H1-17"]),
        ("test_sec_is_no_number", "[utf-08 x]", []),
        ("test_os_11", "", []),
    ],
)
def test_a_case_is_named_by_the_test_or_its_parameters(test: str, identity: str, cases: list[str]) -> None:
    assert cases_of(test, identity) == cases


def test_a_file_that_names_a_case_is_found() -> None:
    assert names_a_case("x = 1\n\n\ndef test_ws_04_x() -> None: ...\n")
    assert names_a_case("async def test_ws_04_x() -> None: ...\n")
    assert not names_a_case("def test_x() -> None: ...  # test_ws_04_x\n")


def over_all(proxy: RunningProxy) -> None:
    for split in SPLITS:
        for way in ALL_WAYS:
            proxy.exchange(way, b"", split=split)


def by_another(proxy: RunningProxy) -> None:
    one_of_them(proxy)


def one_of_them(proxy: RunningProxy) -> None:
    proxy.ask(Way.SOCKS_TLS)
    proxy.raw("tunnel")
    assert proxy.addresses["https"]


def in_http2(proxy: RunningProxy) -> None:
    speak(proxy).close()


def test_code_tells_its_ways_in_and_its_splits() -> None:
    assert ways_in(over_all) == WAYS_OF["H1"]
    assert (splits_in(over_all), splits_in(by_another)) == (3, 1)
    assert ways_in(by_another) == {"SOCKS_TLS", TUNNEL, "HTTPS"}
    assert (is_in_http2(in_http2), is_in_http2(over_all)) == (True, False)
    assert ways_in(in_http2) == frozenset()
