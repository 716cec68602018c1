"""The list of records: what arrives, what is filtered, paused, chosen and opened."""

import pytest
from tests.dashboard.page_reading import SWAPPED, choose, denied, shown, text_of, wait_for_rows
from tests.fakes.chromium import Page
from tests.fakes.watched_proxy import WatchedProxy, request

pytestmark = pytest.mark.end_to_end


def test_records_arrive_newest_first(page: Page, proxy: WatchedProxy) -> None:
    proxy.emit(request(host="one.test", path="/a"), request(host="two.test", path="/b"))
    wait_for_rows(page, 2)

    assert shown(page) == ["two.test/b", "one.test/a"]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("filter-host", "TWO", ["two.test/"]),
        ("filter-action", "reject", ["three.test/"]),
        ("filter-client", "ci", ["two.test/"]),
        ("filter-client", "192.0.2.9", ["one.test/"]),
        ("search", "needle", ["four.test/needle"]),
        ("search", "nowhere", []),
    ],
)
def test_filters_apply_to_what_is_there_and_to_what_comes(
    page: Page, proxy: WatchedProxy, field: str, value: str, expected: list[str]
) -> None:
    records = [
        request(host="one.test", remote_addr="192.0.2.9:1"),
        request(host="two.test", client="ci"),
        denied("three.test"),
        request(host="four.test", path="/needle"),
    ]
    proxy.emit(*records)
    wait_for_rows(page, 4)
    choose(page, field, value)
    assert shown(page) == expected

    proxy.emit(*records, request(host="last.test"))
    page.wait_for("document.getElementById('kept').textContent === '9'")
    assert shown(page) == expected * 2


def test_a_paused_list_stands_still_and_goes_on_without_a_gap(page: Page, proxy: WatchedProxy) -> None:
    proxy.emit(request(host="one.test"))
    wait_for_rows(page, 1)
    page.evaluate("document.getElementById('list').focus()")
    page.press("p")
    proxy.emit(request(host="two.test"), request(host="three.test"))
    page.wait_for("document.getElementById('shown').textContent.includes('2 waiting')")
    assert shown(page) == ["one.test/"]

    page.press("p")
    wait_for_rows(page, 3)
    assert shown(page) == ["three.test/", "two.test/", "one.test/"]


def test_keys_choose_and_open_a_record_with_its_whole_trace(page: Page, proxy: WatchedProxy) -> None:
    traces = [
        {"name": "allowlist", "action": "continue", "duration_ms": 0.038},
        {"name": "secrets", "action": "continue", "duration_ms": 0.15, "annotations": SWAPPED},
    ]
    proxy.emit(request(host="older.test", request_transforms=traces), request(host="newer.test"))
    wait_for_rows(page, 2)
    page.evaluate("document.getElementById('list').focus()")
    page.press("ArrowDown")
    page.press("j")
    page.press("Enter")

    told = text_of(page, "#trace")
    assert "GET older.test/" in told
    assert "allowlist continue 0.038 ms" in told
    assert "OPENAI_API_KEY" in told
    assert "header:Authorization" in told
    page.press("Escape")
    assert page.evaluate("document.getElementById('trace').hidden") is True
    assert page.evaluate("document.activeElement.id") == "list"


def test_who_has_scrolled_down_goes_on_seeing_the_same_rows(page: Page, proxy: WatchedProxy) -> None:
    proxy.emit(*(request(path=f"/{number}") for number in range(500)))
    wait_for_rows(page, 500)
    page.evaluate("document.getElementById('list').scrollTop = 2600")
    page.wait_for("[...document.querySelectorAll('.where')].some((each) => each.textContent === 'api.test/395')")
    top = "Math.round(document.getElementById('list').scrollTop / 26) - document.getElementById('list').ariaRowCount"
    before = page.evaluate(top)

    proxy.emit(*(request(path=f"/new-{number}") for number in range(40)))
    wait_for_rows(page, 540)

    assert page.evaluate(top) == before
    assert page.evaluate("document.querySelectorAll('#rows > *').length") < 80
