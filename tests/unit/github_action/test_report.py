"""Records become figures."""

from iron_proxy.audit_reading.entries import Entry, TransformTrace
from iron_proxy.github_action.report import report_of


def entry(host: str, action: str, **more: object) -> Entry:
    return Entry(msg="request", host=host, method="GET", path="/", action=action, **more)  # type: ignore[arg-type]


def test_denied_and_warned_requests_are_against_the_rules() -> None:
    warned = [TransformTrace("allowlist", "continue", {"action": "warn"})]

    report = report_of([
        entry("a.test", "allow"), entry("b.test", "reject", rejected_by="allowlist"),
        entry("c.test", "allow", request_transforms=warned),
    ])  # fmt: skip

    assert (report.denied, report.against_rules, dict(report.warned)) == (1, 2, {"c.test": 1})
    assert report.allowed_hosts == ["a.test", "c.test"]
    assert [rule.target.host for rule in report.rules()] == ["a.test", "c.test"]
