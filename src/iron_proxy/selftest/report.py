"""
The findings as a person reads them, and as a program does.

Renderables and values only; `cli/selftest.py` prints them. What came from outside is plain `Text`, never markup, and
holds no control characters: the proxy under test writes to this terminal otherwise.
"""

from itertools import groupby
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from iron_proxy.selftest.findings import Finding, Findings, Verdict

_STYLES: Final = {Verdict.HELD: "green", Verdict.GOT_OUT: "bold red", Verdict.NOT_TESTED: "yellow"}
_QUIET, _STRONG = "dim", "bold"
# A row names as much as fits; the JSON has all.
_SHOWN: Final = 3


def report(findings: Findings) -> list[RenderableType]:
    """What is printed in a terminal, in parts."""
    groups = groupby(findings.findings, key=lambda finding: finding.case.group)
    tables = [_table(group.value, list(members)) for group, members in groups]
    return [_introduction(findings), *tables, *_warnings(findings), _summary(findings)]


def as_json(findings: Findings) -> dict[str, Any]:
    """The same for a program."""
    place = findings.place
    return {
        "ok": not findings.control and not findings.of(Verdict.GOT_OUT),
        "control": findings.control or None,
        "run": place.run,
        "proxy": str(place.proxy) if place.proxy is not None else None,
        "against": [str(endpoint) for endpoint in place.denied],
        "allowed": str(place.allowed) if place.allowed is not None else None,
        "deaf": [str(endpoint) for endpoint in findings.deaf],
        "counts": {verdict.value: len(findings.of(verdict)) for verdict in Verdict},
        "duration_seconds": round(findings.seconds, 3),
        "cases": [_case_as_json(finding) for finding in findings.findings],
    }


def _case_as_json(finding: Finding) -> dict[str, Any]:
    case = finding.case
    return {
        "name": case.name,
        "group": case.group.value,
        "severity": case.severity.value,
        "tried": case.tried,
        "got_out_means": case.means,
        "verdict": finding.verdict.value,
        "evidence": [printable(sentence) for sentence in finding.evidence],
        "remedy": case.remedy,
    }


def _introduction(findings: Findings) -> Text:
    place = findings.place
    way = f"by the proxy {place.proxy}" if place.proxy is not None else "no proxy is named here"
    denied = ", ".join(map(str, place.denied)) or f"{place.outside.page.host} and public addresses (no -against)"
    lines = [f"Way out: {way}.", f"Denied: {denied}."]
    if place.canary is not None:
        lines.append(f"Allowed: {place.allowed}; the canary there answers.")
    return Text("\n".join(lines) + "\n", _QUIET)


def _table(title: str, findings: list[Finding]) -> Table:
    table = Table(
        title=title[0].upper() + title[1:], title_justify="left", title_style=_STRONG, expand=True, header_style=_STRONG
    )
    table.add_column("case", ratio=2, overflow="fold")
    table.add_column("tried", ratio=4)
    table.add_column("came of it", ratio=5, overflow="fold")
    for finding in findings:
        name = Text.assemble(finding.case.name, (f"\n{finding.case.severity.value}", _QUIET))
        table.add_row(name, Text(finding.case.tried), _outcome(finding))
    return table


def _outcome(finding: Finding) -> Text:
    shown = [printable(sentence) for sentence in finding.evidence[:_SHOWN]]
    if (more := len(finding.evidence) - _SHOWN) > 0:
        shown.append(f"and {more} more")
    word = finding.verdict.value.upper() if finding.verdict is Verdict.GOT_OUT else finding.verdict.value
    text = Text.assemble((word, _STYLES[finding.verdict]))
    for sentence in shown:
        text.append(f"\n{sentence}", None if finding.verdict is Verdict.GOT_OUT else _QUIET)
    if finding.verdict is Verdict.GOT_OUT:
        text.append(f"\n→ {finding.case.remedy}")
    return text


def _warnings(findings: Findings) -> list[Text]:
    lines = [
        f"The canary does not listen at the port of {endpoint}: that nothing arrived there proves nothing."
        for endpoint in findings.deaf
    ]
    if findings.control:
        lines.append(f"Nothing could be tested: {printable(findings.control)}")
    elif findings.place.allowed is None:
        lines.append(
            "Without -allowed nothing proves that there is a network here at all, and only what is answered is seen to "
            "get out."
        )
    return [Text(line, _STYLES[Verdict.NOT_TESTED]) for line in lines]


def _summary(findings: Findings) -> Text:
    counts = {verdict: len(findings.of(verdict)) for verdict in Verdict}
    told = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
    bad = bool(counts[Verdict.GOT_OUT])
    return Text(f"\n{told}, in {findings.seconds:.1f} s.", _STYLES[Verdict.GOT_OUT if bad else Verdict.HELD])


def printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)
