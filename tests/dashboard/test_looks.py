"""Dark and light, and the pictures of the documentation."""

import os
from pathlib import Path

import pytest
from tests.dashboard.page_reading import a_busy_minute, live_sights, wait_for_rows
from tests.fakes.chromium import Page
from tests.fakes.watched_proxy import WatchedProxy

pytestmark = pytest.mark.end_to_end

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


@pytest.mark.parametrize(("colours", "ground"), [("dark", "rgb(20, 23, 28)"), ("light", "rgb(255, 255, 255)")])
def test_it_follows_the_system_s_colours_and_the_toggle_wins(
    page: Page, proxy: WatchedProxy, colours: str, ground: str
) -> None:
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": colours}])
    seen = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(seen) == ground
    picture(page, proxy, f"dashboard-{colours}.png")
    page.press("Escape")

    turns = 1 if colours == "light" else 2       # auto, dark, light
    for _ in range(turns):
        page.press("t")
    assert page.evaluate(seen) != ground


def picture(page: Page, proxy: WatchedProxy, name: str) -> None:
    """The pictures of the documentation, written when WRITE_DASHBOARD_IMAGES is set."""
    proxy.emit(*a_busy_minute())
    wait_for_rows(page, len(a_busy_minute()))
    page.wait_for(f"document.getElementById('kept').textContent === '{len(a_busy_minute())}'")
    chosen = "[...document.querySelectorAll('#rows > *')].find((row) => row.innerText.includes('/v1/responses'))"
    page.evaluate(f"{chosen}.click()")
    content = page.picture()
    assert content.startswith(b"\x89PNG")
    views = {name: content}
    if "dark" in name:
        for key, view in (("2", "hosts"), ("3", "denied"), ("4", "policy")):
            page.press(key)
            page.wait_for(f"document.querySelectorAll('#{view} tbody tr').length > 0")
            views[f"dashboard-{view}.png"] = page.picture()
        proxy.sights = live_sights()
        page.press("5")
        page.wait_for("document.querySelectorAll('#connection-rows tr').length > 0")
        views["dashboard-connections.png"] = page.picture()
        page.press("1")
    if os.environ.get("WRITE_DASHBOARD_IMAGES"):
        IMAGES.mkdir(exist_ok=True)
        for each, bytes_of in views.items():
            (IMAGES / each).write_bytes(bytes_of)
