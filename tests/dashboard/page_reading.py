"""What tests read off the dashboard, do to it, and show it."""

import json
from typing import Any

from tests.fakes.chromium import Page
from tests.fakes.watched_proxy import KEY, request

from iron_proxy.audit.record import RequestRecord
from iron_proxy.proxy.sight import RequestSight, Sight

NO_MATCH = "no rule matches the host"
NO_HOST = "host_not_allowed"
SWAPPED = {"swapped": [{"secret": "OPENAI_API_KEY", "locations": ["header:Authorization"]}]}


def sign_in(page: Page, key: str = KEY) -> None:
    page.evaluate("document.getElementById('key').focus()")
    page.write(key)
    page.press("Enter")


def shown(page: Page) -> list[str]:
    """The rows in sight, from top to bottom."""
    rows: list[str] = page.evaluate(
        """[...document.querySelectorAll('#rows > [role=row]')].filter((row) => !row.hidden)
           .sort((one, other) => one.place - other.place).map((row) => row.querySelector('.where').textContent)"""
    )
    return rows


def wait_for_rows(page: Page, count: int) -> None:
    page.wait_for(f"document.getElementById('list').getAttribute('aria-rowcount') === '{count + 1}'")


def text_of(page: Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))


def choose(page: Page, field: str, value: str) -> None:
    """As somebody who fills a field in."""
    page.evaluate(
        f"""{{ const field = document.getElementById({json.dumps(field)}); field.value = {json.dumps(value)};
              field.dispatchEvent(new Event('input', {{bubbles: true}})); }}"""
    )


def denied(host: str, path: str = "/", **fields: Any) -> RequestRecord:
    return request(
        host=host, path=path, level="WARN", action="reject", status_code=403, rejected_by="allowlist",
        request_transforms=[{"name": "allowlist", "action": "reject", "duration_ms": 0.03}],
        **{"reason": NO_MATCH, "code": NO_HOST, **fields},
    )  # fmt: skip


def a_busy_minute() -> list[RequestRecord]:
    """Records of an agent at work."""
    return [record for number in range(24) for record in _two_seconds(number)]


def live_sights() -> tuple[Sight, ...]:
    """Connections of that agent."""
    responses = RequestSight("a-7", "POST", "api.openai.com", 12.4)
    packages = tuple(RequestSight(f"a-{number}", "GET", "registry.npmjs.org", 0.2) for number in (8, 9))
    agent: dict[str, Any] = {"client": "agent-1", "generation": 3}
    tunnel = agent | {"is_tunnel": True}
    return (
        Sight("http/2", "172.20.0.3:48662", 734.0, target="registry.npmjs.org", requests=packages, **agent),
        Sight("http/1.1", "172.20.0.3:48670", 95.0, target="api.openai.com", requests=(responses,), **tunnel),
        Sight("passthrough", "172.20.0.3:48700", 31.0, target="mail.example.com:443", **tunnel),
        Sight("opening", "172.20.0.9:50112", 0.4),
    )


def _two_seconds(number: int) -> list[RequestRecord]:
    traces: list[dict[str, Any]] = [
        {"name": "allowlist", "action": "continue", "duration_ms": 0.038},
        {"name": "secrets", "action": "continue", "duration_ms": 0.152, "annotations": SWAPPED},
    ]
    stamp = f"2026-11-25T01:41:{number * 2:02d}.{number * 37:03d}000Z"
    known: dict[str, Any] = {
        "time": stamp, "client": "agent-1", "remote_addr": "172.20.0.3:48662", "generation": 3,
    }  # fmt: skip
    npm, openai, took = "registry.npmjs.org", "api.openai.com", 20.0 + number
    package = ("left-pad", "chalk", "typescript", "vite", "react")[number % 5]
    records = [
        request(host=npm, path=f"/{package}", sni=npm, duration_ms=took, request_transforms=traces[:1], **known)
    ]
    if number % 3 == 0:
        asked = {"method": "POST", "path": "/v1/responses", "duration_ms": 820 + took, "rule": "rules[0]"}
        records.append(request(host=openai, sni=openai, request_transforms=traces, **asked, **known))
    if number % 6 == 2:
        records.append(denied("telemetry.example.com", "/v1/collect", method="POST", **known))
    if number % 11 == 5:
        reason = "a rule matches the host, but not the method and path"
        code = "method_or_path_not_allowed"
        records.append(denied(openai, "/v1/files", method="DELETE", reason=reason, code=code, **known))
    if number == 17:
        failed: dict[str, Any] = {"action": "error", "level": "ERROR", "status_code": 502}
        failed["error"] = "the upstream did not answer in time"
        records.append(request(host="pypi.org", path="/simple/numpy/", **failed, **known))
    return records
