"""The dashboard without a mouse, and without eyes."""

import pytest
from tests.dashboard.page_reading import denied, text_of, wait_for_rows
from tests.fakes.chromium import Page
from tests.fakes.watched_proxy import WatchedProxy

pytestmark = pytest.mark.end_to_end


def test_shortcuts_are_listed_and_views_are_reached_by_key(page: Page) -> None:
    page.press("?")
    assert page.evaluate("document.getElementById('keys').open") is True
    assert "pause" in text_of(page, "#keys")
    page.press("Escape")
    page.wait_for("!document.getElementById('keys').open")

    page.press("2")
    assert page.evaluate("document.activeElement.id") == "tab-hosts"
    page.press("ArrowRight")
    assert page.evaluate("document.getElementById('tab-denied').getAttribute('aria-selected')") == "true"
    page.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.press("p")
    assert page.evaluate("document.getElementById('search').value") == "p"


def test_everything_that_can_be_operated_has_a_name(page: Page, proxy: WatchedProxy) -> None:
    proxy.emit(denied("a.test"))
    wait_for_rows(page, 1)
    tree = page.call("Accessibility.getFullAXTree")["nodes"]

    operable = {"button", "textbox", "searchbox", "combobox", "tab", "grid"}
    nameless = [
        node for node in tree
        if not node.get("ignored") and node["role"]["value"] in operable and not node.get("name", {}).get("value")
    ]  # fmt: skip
    assert nameless == []
    roles = {node["role"]["value"] for node in tree if "role" in node}
    assert {"grid", "tab", "row", "gridcell", "columnheader"} <= roles


def test_the_focus_can_be_seen(page: Page) -> None:
    page.evaluate("document.getElementById('search').focus()")
    page.press("Tab")

    assert page.evaluate("document.activeElement.id") == "filter-host"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
