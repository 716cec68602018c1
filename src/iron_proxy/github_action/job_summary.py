"""The report as Markdown for $GITHUB_STEP_SUMMARY. Everything from a record goes through `workflow_text.py`. Pure."""

from collections.abc import Iterator
from typing import Final

from iron_proxy.github_action.report import Report
from iron_proxy.github_action.workflow_text import block, code
from iron_proxy.learning.configuration_text import transforms_lines

# A summary that is over 1 MiB is refused as a whole; with an entity a character a row has some 4 KiB at most.
_MAX_ROWS: Final = 50
_MAX_BLOCK: Final = 200_000  # characters
_TOO_LONG: Final = "More rules than fit here: `iron-proxy learn` makes them of the audit log."


def job_summary(report: Report, mode: str, is_complete: bool) -> str:
    """The text. `is_complete` is False where the proxy ended before the job."""
    lines = ["## Network access (iron-proxy)", "", _headline(report, mode), ""]
    if not is_complete:
        lines += ["**The proxy ended before the job did: what follows is not all.**", ""]
    lines += [*_hosts(report), *_warned(report), *_denied(report), *_rules(report)]
    return "\n".join(lines) + "\n"


def _headline(report: Report, mode: str) -> str:
    if mode == "warn":
        return f"Mode `warn`: no rule was enforced. {report.against_rules} requests were against the rules."
    return f"Mode `enforce`: {report.denied} requests were denied."


def _hosts(report: Report) -> Iterator[str]:
    groups = report.statistics.most_first()
    if not groups:
        yield from ("No requests came to the proxy.", "")
        return
    yield from ("| host | allowed | denied | failed | bytes sent | bytes received |", "|---|--:|--:|--:|--:|--:|")
    for host, each in groups[:_MAX_ROWS]:
        counts = (each.allowed, each.denied, each.failed, each.bytes_from_client, each.bytes_from_upstream)
        yield f"| {code(host)} | {' | '.join(map(str, counts))} |"
    yield from _omitted(len(groups), "hosts")


def _warned(report: Report) -> Iterator[str]:
    if not report.warned:
        return
    yield from ("### Would be denied by `enforce`", "", "| host | requests |", "|---|--:|")
    for host, count in report.warned.most_common(_MAX_ROWS):
        yield f"| {code(host)} | {count} |"
    yield from _omitted(len(report.warned), "hosts")


def _denied(report: Report) -> Iterator[str]:
    denials = report.denials.most_first()
    if not denials:
        return
    yield from ("### Denied", "", "| host | requests | reason |", "|---|--:|---|")
    for each in denials[:_MAX_ROWS]:
        yield f"| {code(each.host)} | {each.requests} | {code(each.reason)} |"
    yield from _omitted(len(denials) + report.denials.omitted, "denials")
    rules = [rule for each in denials[:_MAX_ROWS] for rule in each.rules()]
    if rules:
        yield from _folded("Rules that would allow what was denied (look at each first)", transforms_lines(rules, ()))


def _rules(report: Report) -> Iterator[str]:
    rules = report.rules()
    if rules:
        title = "Rules for what this job reached, to copy into the configuration"
        yield from _folded(title, transforms_lines(rules, ()))


def _folded(title: str, lines: list[str]) -> Iterator[str]:
    is_long = sum(map(len, lines)) > _MAX_BLOCK
    yield from ("<details>", f"<summary>{title}</summary>", "")
    yield from [_TOO_LONG] if is_long else block([line for line in lines if line], "yaml")
    yield from ("", "</details>", "")


def _omitted(count: int, what: str) -> Iterator[str]:
    yield ""
    if count > _MAX_ROWS:
        yield from (f"… and {count - _MAX_ROWS} more {what}.", "")
