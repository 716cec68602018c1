"""The dashboard of a real process: a request that went through it is there, and what it may not show is not."""

import pytest
from tests.conftest import Fresh
from tests.dashboard.page_reading import shown, sign_in, text_of, wait_for_rows
from tests.fakes.chromium import Chromium
from tests.fakes.management_client import ENVIRONMENT, KEY, MANAGEMENT
from tests.fakes.running_proxy import request
from tests.fakes.wire_client import Way

pytestmark = pytest.mark.end_to_end


def test_a_request_through_a_real_proxy_is_shown_as_it_happens(browser: Chromium, fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy(env=ENVIRONMENT, management=MANAGEMENT)
    host, port = proxy.addresses["management"]
    page = browser.open(f"http://{host}:{port}/dashboard/")
    sign_in(page, KEY)
    page.wait_for("document.getElementById('state').dataset.state === 'live'")

    for name in ("ok.test", "denied.test"):
        with proxy.open(Way.HTTP, name) as session:
            session.send(request(f"/seen/{name}", proxy.authority(Way.HTTP, name)))
            session.read_answer()
    wait_for_rows(page, 2)

    assert [row.rpartition("/seen/")[2] for row in shown(page)] == ["denied.test", "ok.test"]
    page.press("3")
    page.wait_for("document.querySelectorAll('#denied-rows code').length === 1")
    assert '"host": "denied.test"' in text_of(page, "#denied-rows code")
    page.press("4")
    page.wait_for("document.querySelectorAll('#secret-rows tr').length > 0")
    told = text_of(page, "#policy")
    assert "env SEC_INJ" in told
    assert "running for" in told
    page.press("5")
    with proxy.open(Way.CONNECT_TLS, "ok.test") as session:
        session.send(request("/seen/again", proxy.authority(Way.CONNECT_TLS, "ok.test")))
        session.read_answer()
        page.wait_for("document.getElementById('connection-rows').innerText.includes('in a tunnel')")
        row = text_of(page, "#connection-rows tr").split("\t")
    assert row[1].startswith("127.0.0.1:")
    assert all(each.endswith("B") for each in row[4:6])
    assert page.problems == []
    page.close()
