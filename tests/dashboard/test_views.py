"""The views of hosts, denials, policy and secrets."""

import json
from itertools import product

import pytest
from tests.dashboard.page_reading import NO_HOST, SWAPPED, denied, live_sights, text_of, wait_for_rows
from tests.fakes.chromium import Page
from tests.fakes.watched_proxy import WatchedProxy, request

from iron_proxy.messages.authority import Target
from iron_proxy.proxy.denials import DETAILS, Denied, explained, rule_hint
from iron_proxy.proxy.sight import RequestSight, Sight

pytestmark = pytest.mark.end_to_end


def test_a_denied_host_comes_with_the_rule_that_would_allow_it(page: Page, proxy: WatchedProxy) -> None:
    proxy.emit(denied("pypi.test:8443", "/simple/[x]*", client="ci"), denied("odd.test", reason="bad Host", code=""))
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
    row = {"action": "reject", "code": NO_HOST, "host": text, "method": method, "path": path, "client": client}

    rule = page.evaluate(f"import('./rule.js').then(({{ ruleFor }}) => ruleFor({json.dumps(row)}))")

    assert rule == rule_hint(Denied(target, scheme, method, path, client))


def test_there_is_a_rule_for_the_codes_for_which_a_denial_suggests_one(page: Page) -> None:
    rows, suggested = [], []
    for code, client in product([*DETAILS, "", "one of a later version"], ["", "ci"]):
        answer = explained(403, code, Denied(Target("a.test", 443), "https", "GET", "/", client))
        suggested.append(json.loads(answer.body.gather_nowait(10_000) or b"").get("rule", ""))
        row = {"action": "reject", "code": code, "reason": "?", "client": client}
        rows.append(row | {"host": "a.test", "method": "GET", "path": "/"})

    rules = page.evaluate(f"import('./rule.js').then(({{ ruleFor }}) => {json.dumps(rows)}.map(ruleFor))")

    assert rules == suggested
    assert len(set(suggested)) == 3                # none, one for everybody, and one for `ci`


def test_a_usual_host_is_not_broken_into_lines(page: Page, proxy: WatchedProxy) -> None:
    # A method, path and rule beside it take all the room that they can get.
    proxy.emit(denied("telemetry.example.com:443", "/a/" + "long-name/" * 12))
    page.press("3")
    page.wait_for("document.querySelectorAll('#denied-rows tr').length === 1")

    lines = """(() => { const range = document.createRange();
        range.selectNodeContents(document.querySelector('#denied-rows td'));
        return new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size; })()"""
    assert page.evaluate(lines) == 1


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


def test_live_connections_are_shown_and_followed_while_they_are_in_sight(page: Page, proxy: WatchedProxy) -> None:
    page.press("5")
    page.wait_for("document.getElementById('connections-note').textContent === 'No connection.'")
    proxy.sights = live_sights()
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 4")

    rows = [text_of(page, f"#connection-rows tr:nth-child({number})").split("\t") for number in range(1, 5)]
    assert rows[0][:4] == ["12 min", "agent-1 172.20.0.3:48662", "http/2", "registry.npmjs.org"]
    assert rows[0][6].split("\n") == ["GET registry.npmjs.org (0 s)"] * 2
    assert rows[1][2:4] == ["http/1.1, in a tunnel", "api.openai.com"]
    assert rows[3] == ["0 s", "172.20.0.9:50112", "opening", "", "", "", ""]

    proxy.sights = proxy.sights[1:2]
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 1")
    assert text_of(page, "#connection-rows tr").split("\t")[3] == "api.openai.com"


def test_they_are_asked_for_only_while_they_are_in_sight(page: Page) -> None:
    counts = page.evaluate(
        """(async () => {
            const { Connections } = await import('./connections.js');
            let asked = 0, waiting = null, answered;
            window.fetch = async () => { asked++; return new Response('{"total": 0, "connections": []}'); };
            window.setTimeout = (call) => { waiting = call; answered?.(); return 1; };
            window.clearTimeout = () => { waiting = null; };
            const next = () => new Promise((done) => { answered = done; });
            const connections = new Connections(() => {});
            let one = next();
            connections.start();
            await one;
            one = next();
            waiting();
            await one;
            const inSight = asked;
            connections.start();                 // a question is on its way when the view is left
            connections.stop();
            for (let turn = 0; turn < 20; turn++) await null;
            return [inSight, asked, waiting];
        })()"""
    )

    assert counts == [2, 3, None]


def test_more_connections_than_a_person_reads_are_counted(page: Page, proxy: WatchedProxy) -> None:
    proxy.sights = tuple(Sight("opening", f"192.0.2.1:{number}", float(number)) for number in range(1, 251))
    page.press("5")
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 200")

    assert text_of(page, "#connections-note") == "50 younger ones are not shown."
    assert text_of(page, "#connection-rows tr td:nth-child(2)") == "192.0.2.1:250"


def test_a_proxy_that_does_not_answer_is_told_there_until_it_does(page: Page, proxy: WatchedProxy) -> None:
    page.evaluate("window.answers = window.fetch; window.fetch = () => Promise.reject(new TypeError())")
    page.press("5")
    page.wait_for("document.getElementById('connections-problem').textContent === 'The proxy does not answer.'")
    proxy.sights = live_sights()
    page.evaluate("window.fetch = window.answers")
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 4")

    assert text_of(page, "#connections-problem") == ""


def test_what_a_client_has_asked_for_is_text_among_connections(page: Page, proxy: WatchedProxy) -> None:
    hostile = "<img src=x onerror='window.hit = 1'>"
    asked = RequestSight(hostile, hostile, hostile, 1.0)
    proxy.sights = (Sight("http/1.1", hostile, 1.0, client=hostile, target=hostile, requests=(asked,)),)
    page.press("5")
    page.wait_for("document.querySelectorAll('#connection-rows tr').length === 1")

    assert page.evaluate("document.querySelectorAll('#connections img').length") == 0
    assert hostile in text_of(page, "#connection-rows tr")
    assert page.evaluate("window.hit") is None


def test_sizes_are_told_as_people_say_them(page: Page) -> None:
    sizes = [None, 0, 1023, 1536, 5_000_000, 5_000_000_000]
    told = page.evaluate(f"import('./connections.js').then(({{ size }}) => {json.dumps(sizes)}.map(size))")

    assert told == ["", "0 B", "1023 B", "1.5 KiB", "4.8 MiB", "4.7 GiB"]
