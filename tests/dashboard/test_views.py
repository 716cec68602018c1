"""The views of hosts, denials, policy and secrets."""

import json

import pytest
from tests.dashboard.page_reading import NO_MATCH, SWAPPED, denied, text_of, wait_for_rows
from tests.fakes.chromium import Page
from tests.fakes.watched_proxy import WatchedProxy, request

from iron_proxy.messages.authority import Target
from iron_proxy.proxy.denials import Denied, rule_hint

pytestmark = pytest.mark.end_to_end


def test_a_denied_host_comes_with_the_rule_that_would_allow_it(page: Page, proxy: WatchedProxy) -> None:
    proxy.emit(denied("pypi.test:8443", "/simple/[x]*", client="ci"), denied("odd.test", reason="bad Host"))
    page.press("3")
    page.wait_for("document.querySelectorAll('#denied-rows tr').length === 2")

    rule = rule_hint(Denied(Target("pypi.test", 8443), "https", "GET", "/simple/[x]*", "ci"))
    assert text_of(page, "#denied-rows code") == rule
    assert "no rule of an allowlist would" in text_of(page, "#denied-rows")
    page.evaluate(
        """const writeText = async (text) => { window.copied = text; };
           Object.defineProperty(navigator, 'clipboard', {value: {writeText}});
           document.querySelector('#denied-rows button').click()"""
    )
    assert page.evaluate("window.copied") == rule


@pytest.mark.parametrize(
    ("scheme", "method", "host", "port", "path", "client"),
    [
        ("https", "GET", "a.test", 443, "/", ""),
        ("http", "POST", "a.test", 80, "/x y/é\"'\\", "ci"),
        ("http", "GET", "a.test", 443, "/*?[", ""),
        ("https", "GET", "a.test", 80, "/", ""),
        ("https", "GET", "2001:db8::1", 443, "/", ""),
        ("https", "GET", "2001:db8::1", 8443, "/", ""),
        ("https", "CONNECT", "a.test", 443, "", ""),
        ("https", "CONNECT", "a.test", 22, "", "ci"),
        ("https", "", "a.test", 443, "", ""),
        ("https", "GET", "a.test", 443, "/\u202e", ""),
        ("https", "GET", "a.test", 443, "/" + "x" * 600, ""),
        ("https", "*", "a.test", 443, "/", ""),
    ],
)
def test_the_rule_is_the_one_that_a_denial_suggests(
    page: Page, scheme: str, method: str, host: str, port: int, path: str, client: str
) -> None:
    target = Target(host, port)
    text = str(target) if method == "CONNECT" else target.host_text(scheme)
    row = {"action": "reject", "reason": NO_MATCH, "host": text, "method": method, "path": path, "client": client}

    rule = page.evaluate(f"import('./rule.js').then(({{ ruleFor }}) => ruleFor({json.dumps(row)}))")

    assert rule == rule_hint(Denied(target, scheme, method, path, client))


def test_hosts_are_summed_up_with_a_line_of_their_own(page: Page, proxy: WatchedProxy) -> None:
    proxy.emit(*[request(host="busy.test")] * 3, denied("busy.test"))
    proxy.emit(*(request(host="idle.test", phase=phase) for phase in ("open", "close")))
    page.press("2")
    page.wait_for("document.querySelectorAll('#host-rows tr').length === 2")

    assert text_of(page, "#host-rows tr").split()[:5] == ["busy.test", "4", "3", "1", "0"]
    assert text_of(page, "#host-rows tr:nth-child(2)").split()[:3] == ["idle.test", "1", "1"]
    assert page.evaluate("document.querySelector('.spark').getAttribute('aria-label')").startswith("at most 4 ")


def test_policy_and_secrets_are_shown_by_name_only(page: Page, proxy: WatchedProxy) -> None:
    proxy.emit(request(request_transforms=[{"name": "secrets", "action": "continue", "annotations": SWAPPED}]))
    wait_for_rows(page, 1)
    page.press("4")
    page.wait_for("document.querySelectorAll('#rules li').length === 3")

    told = text_of(page, "#policy")
    assert "registry.npmjs.org" in told
    assert '"paths":["/v1/*"]' in told
    used, unused = (text_of(page, f"#secret-rows tr:nth-child({number})").split("\t") for number in (1, 2))
    assert unused[:4] == ["NEVER_USED", "env NEVER_USED", "–", "0"]
    assert used[:4] == ["OPENAI_API_KEY", "file /run/secrets/openai", "1 h ago", "1"]
    assert "proxy-openai-4711" not in told
