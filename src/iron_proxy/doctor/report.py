"""
The doctor's findings as a person reads them, and as a program does.

Renderables and values only; `cli/doctor.py` prints them. All text is plain or `Text`, never markup: what a client
complained must not be read as formatting. Colours repeat what the words say.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from iron_proxy.doctor.checks import Check
from iron_proxy.doctor.examination import ClientReport
from iron_proxy.doctor.verdicts import Reason, Verdict, Way

_GOOD, _BAD, _QUIET, _STRONG = "green", "bold red", "dim", "bold"
_HEADINGS = {
    Way.AS_IT_IS: "as it is here",
    Way.ROUTED: "with `env`, by DNS",
    Way.PROXIED: "with `env`, by HTTPS_PROXY",
}
# A URL's user and password, where a client quotes it.
_USERINFO = re.compile(r"://[^/\s@]+@")


@dataclass(frozen=True, slots=True)
class Findings:
    """All of them."""

    checks: Sequence[Check]
    clients: Sequence[ClientReport]
    were_named: bool  # the clients were asked for by name

    @property
    def ok(self) -> bool:
        """Whether every check passed and every client works; one that is not installed counts only if it was named."""
        counted = [client for client in self.clients if self.were_named or not client.absent]
        return all(client.works for client in counted) and all(check.passed for check in self.checks)


def report(findings: Findings) -> list[RenderableType]:
    """What is printed in a terminal, in parts. A `Text` is not to be wrapped: a command in pieces cannot be copied."""
    parts: list[RenderableType] = [_check_line(check) for check in findings.checks]
    here = [client for client in findings.clients if not client.absent]
    ways = [way for way in Way if any(way in client.verdicts for client in here)]
    if here:
        parts += [*([Text()] if parts else []), _table(here, ways)]
    absent = [_absent(client) for client in findings.clients if client.absent]
    if absent:
        parts.append(Text(f"Not here: {', '.join(absent)}.", _QUIET))
    return [*parts, *_repairs(here), _summary(findings, here)]


def as_json(findings: Findings) -> dict[str, Any]:
    """The same for a program."""
    return {
        "ok": findings.ok,
        "checks": [{"name": each.name, "passed": each.passed, "sentence": each.sentence} for each in findings.checks],
        "clients": [_client_as_json(client) for client in findings.clients],
    }


def _client_as_json(client: ClientReport) -> dict[str, Any]:
    if client.absent:
        return {"name": client.name, "absent": client.absent}
    runs = {way.value: _verdict_as_json(verdict) for way, verdict in client.verdicts.items()}
    return {"name": client.name, "works": client.works, "runs": runs, "repair": client.repair}


def _verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "works": verdict.works,
        "reason": verdict.reason.value,
        "sentence": verdict.sentence,
        "missing": verdict.missing,
        "complaint": _without_passwords(verdict.complaint),
    }


def _check_line(check: Check) -> Text:
    mark = ("ok    ", _GOOD) if check.passed else ("WRONG ", _BAD)
    return Text.assemble(mark, (f"{check.name}: ", _STRONG), check.sentence)


def _table(clients: Sequence[ClientReport], ways: Sequence[Way]) -> Table:
    table = Table(expand=True, show_lines=True, header_style=_STRONG)
    table.add_column("client", no_wrap=True)
    for way in ways:
        table.add_column(_HEADINGS[way], ratio=3, overflow="fold")
    for client in clients:
        style = _GOOD if client.works else _BAD
        table.add_row(Text(client.name, style), *(_cell(client.verdicts.get(way)) for way in ways))
    return table


def _cell(verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text("")
    if verdict.works or verdict.reason is Reason.UNKNOWN:
        return Text(verdict.sentence, _GOOD if verdict.works else _QUIET)
    last_words = _without_passwords(verdict.complaint).rpartition("\n")[2]
    tells_enough = verdict.reason is Reason.UNTRUSTED or not last_words
    return Text.assemble((verdict.sentence, _BAD), "" if tells_enough else f"\n{last_words}")


def _absent(client: ClientReport) -> str:
    return client.name if client.name == client.absent else f"{client.name} (no {client.absent})"


def _repairs(clients: Sequence[ClientReport]) -> list[Text]:
    by_command: dict[str, list[str]] = {}
    for client in clients:
        if client.repair:
            by_command.setdefault(client.repair, []).append(client.name)
    return [
        Text.assemble((f"\nRepairs {', '.join(names)}:\n", _STRONG), command) for command, names in by_command.items()
    ]


def _summary(findings: Findings, here: Sequence[ClientReport]) -> Text:
    broken = [client.name for client in here if not client.works]
    wrong = sum(not check.passed for check in findings.checks)
    told = f"{len(here) - len(broken)} of {len(here)} clients work"
    if wrong:
        told += f"; {wrong} of {len(findings.checks)} checks found something wrong"
    return Text(f"\n{told}.", _GOOD if findings.ok else _BAD)


def _without_passwords(text: str) -> str:
    return _USERINFO.sub("://…@", text)
