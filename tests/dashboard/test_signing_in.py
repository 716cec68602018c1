"""Who sees the dashboard, and where the key is."""

import pytest
from tests.dashboard.page_reading import sign_in, wait_for_rows
from tests.fakes.chromium import Chromium, Page
from tests.fakes.watched_proxy import KEY, WatchedProxy, request

pytestmark = pytest.mark.end_to_end


def test_a_wrong_key_is_told_and_shows_nothing(browser: Chromium, proxy: WatchedProxy) -> None:
    page = browser.open(proxy.address)
    sign_in(page, "a wrong one")

    page.wait_for("document.getElementById('login-problem').textContent === 'This is not the key.'")
    assert page.evaluate("document.getElementById('dashboard').hidden") is True
    assert page.evaluate("sessionStorage.length") == 0
    page.close()


def test_the_key_stays_in_the_tab_and_out_of_addresses(page: Page, browser: Chromium, proxy: WatchedProxy) -> None:
    page.go(proxy.address + "?again")
    page.wait_for("document.getElementById('state').dataset.state === 'live'")

    assert page.evaluate("document.cookie + JSON.stringify(localStorage)") == "{}"
    assert KEY not in page.evaluate("JSON.stringify(performance.getEntries().map((each) => each.name))")
    assert KEY not in page.evaluate("document.documentElement.outerHTML")
    other = browser.open(proxy.address)
    assert other.evaluate("document.getElementById('login').hidden") is False
    other.close()


def test_signing_out_forgets_everything(page: Page, proxy: WatchedProxy) -> None:
    proxy.emit(request(host="told.test"))
    wait_for_rows(page, 1)
    page.evaluate("document.getElementById('sign-out').click()")

    assert page.evaluate("sessionStorage.length") == 0
    assert page.evaluate("document.getElementById('dashboard').hidden") is True
