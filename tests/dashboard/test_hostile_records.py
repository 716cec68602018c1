"""Whatever a client wrote into a record: it stays text, and what is no record is counted."""

import pytest
from tests.dashboard.page_reading import NO_MATCH, denied, text_of, wait_for_rows
from tests.fakes.chromium import Page
from tests.fakes.watched_proxy import WatchedProxy

from iron_proxy.audit.record import EventRecord, timestamp

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>window.hit = 1</script>",
        "<img src=x onerror='window.hit = 1'>",
        "\"><svg onload=window.hit=1>",
        "javascript:window.hit=1",
        "\u202etset.live\u0000\r\n\x1b[31m",
        "x" * 60_000,
    ],
)
def test_what_a_client_chose_stays_text(page: Page, proxy: WatchedProxy, hostile: str) -> None:
    annotations = {hostile: hostile}
    proxy.emit(
        denied(
            hostile, hostile, method=hostile, client=hostile, reason=f"{NO_MATCH} {hostile}", remote_addr=hostile,
            response_transforms=[{"name": hostile, "action": hostile, "error": hostile, "annotations": annotations}],
        ),
        EventRecord(time=timestamp(), level="WARN", event=hostile, action=hostile, reason=hostile, host=hostile),
    )  # fmt: skip
    wait_for_rows(page, 2)
    page.evaluate("document.getElementById('list').focus()")
    page.press("ArrowDown")
    page.press("ArrowDown")
    page.press("Enter")
    for tab in "432":
        page.press(tab)
    page.wait_for("document.querySelectorAll('#host-rows tr').length === 1")

    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.querySelectorAll('main script, main img, main svg:not(.spark)').length") == 0
    assert text_of(page, "#host-rows td")[:9] == hostile[:9]


def test_lines_that_are_no_records_are_counted_and_left_out(page: Page, proxy: WatchedProxy) -> None:
    page.evaluate(
        """import('./store.js').then(({ Store }) => {
            const store = new Store();
            const odd = '{"time": 5, "host": {}, "request_transforms": [null, {"annotations": 3}]}';
            for (const data of ['{', '[]', '7', 'null', odd])
                store.receive('', data);
            store.receive('dropped', '{"count": 7}');
            store.receive('dropped', '{"count": -7}');
            store.receive('later', '{}');
            store.drain();
            window.result = [store.rows.length, store.dropped];
        })"""
    )

    assert page.evaluate("window.result") == [1, 4 + 7]
