"""The dashboard under load, and while there is no proxy."""

import pytest
from tests.dashboard.page_reading import shown, sign_in, text_of, wait_for_rows
from tests.fakes.chromium import Chromium, Page
from tests.fakes.watched_proxy import WatchedProxy, request

pytestmark = pytest.mark.end_to_end


def test_5000_records_a_second_do_not_freeze_the_page(page: Page, proxy: WatchedProxy) -> None:
    page.evaluate(
        """{ window.gaps = []; let last = performance.now();
             const look = (now) => {
                 window.gaps.push(now - last); last = now; window.looking = requestAnimationFrame(look);
             };
             requestAnimationFrame(look); }"""
    )
    sent = proxy.emit_steadily(5000, 3.0)
    page.wait_for(
        "document.getElementById('rate').textContent === '0' && document.getElementById('kept').textContent !== '0'"
    )

    gaps = sorted(page.evaluate("cancelAnimationFrame(window.looking), window.gaps.slice(1)"))
    kept, dropped = (int(text_of(page, f"#{name}").replace(",", "")) for name in ("kept", "dropped"))
    assert kept + dropped == sent == 15_000
    # On a quiet machine of two cores: 99 of 100 within 50 ms, the longest 67 ms. Where other tests run beside this one
    # the machine itself takes its pauses, so the bounds tell a page that is frozen from one that is not.
    assert gaps[len(gaps) * 95 // 100] < 200
    assert gaps[-1] < 2000
    assert page.evaluate("document.querySelectorAll('#rows > *').length") < 80


def test_memory_is_bounded_whatever_comes(page: Page) -> None:
    result = page.evaluate(
        """Promise.all([import('./store.js'), import('./totals.js')]).then(([bounds, { Totals }]) => {
            const { Store, MAX_ROWS, MAX_SIZE } = bounds;
            const store = new Store(), totals = new Totals();
            store.onRow((row) => totals.take(row));
            const record = (index, more) => JSON.stringify({
                msg: 'request', host: `h${index}.test`, method: 'GET', path: '/' + more, action: 'reject',
                reason: 'no rule matches the host',
            });
            for (let index = 0; index < 30000; index++) store.receive('', record(index, ''));
            const dropped = store.dropped;
            store.drain(60000);
            for (let index = 0; index < 40; index++) store.receive('', record(index, 'x'.repeat(1 << 20)));
            store.drain(60000);
            let size = 0;
            for (let index = 0; index < store.rows.length; index++) size += store.rows.at(index).raw.length;
            return {dropped, over: 30000 - MAX_ROWS, fits: size <= MAX_SIZE, rows: store.rows.length,
                    hosts: totals.hosts.size, denied: totals.denied.size, forgotten: totals.hosts.forgotten > 0};
        })"""
    )

    assert result["dropped"] == result["over"]
    assert result["fits"] is True
    assert result["rows"] < 10_000
    assert (result["hosts"], result["denied"], result["forgotten"]) == (1000, 500, True)


def test_the_page_connects_again_by_itself(browser: Chromium, proxy: WatchedProxy) -> None:
    page = browser.open(proxy.address)
    sign_in(page)
    page.wait_for("document.getElementById('state').dataset.state === 'live'")
    proxy.emit(request(host="before.test"))
    wait_for_rows(page, 1)

    proxy.stop()
    page.wait_for("document.getElementById('state').dataset.state === 'waiting'")
    proxy.start()
    page.wait_for("document.getElementById('state').dataset.state === 'live'")
    proxy.emit(request(host="after.test"))
    wait_for_rows(page, 2)

    assert shown(page) == ["after.test/", "before.test/"]
    page.close()
