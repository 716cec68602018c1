"""
The account of a session: as one JSON object (docs/reference/run-summary.md), and as the lines that people read.

Pure. Made when everything has ended, from the tally, from what the jail refused, and from what the process log warned
of. Called by `cli/run.py`, which prints it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from iron_proxy.errors import BadRequest
from iron_proxy.jail.refused import Refusal
from iron_proxy.messages.authority import DEFAULT_PORTS, Target, parse_target
from iron_proxy.proxy.denials import Denied, rule_hint
from iron_proxy.session.tally import Denial, HostCounts, Tally

SCHEMA: Final = 1
# What fits a screen; the rest is in the JSON.
_MAX_LINES: Final = 20
_PREFIX: Final = "iron-proxy: "


@dataclass(frozen=True, slots=True)
class Ending:
    """
    How a program ended, and what the jail saw besides.

    `refused` holds connections to ports that lead nowhere, None where they cannot be seen; `unnamed` is how many more
    there were. `failure` says why it could not be started, as a shell would.
    """

    status: int
    seconds: float
    failure: str = ""
    refused: dict[Refusal, int] | None = None
    unnamed: int = 0
    notes: tuple[str, ...] = ()  # what was told before it began
    warnings: tuple[str, ...] = ()  # of the process log


def as_json(tally: Tally, ending: Ending) -> dict[str, Any]:
    """One object, with every key in every run."""
    hosts = tally.hosts.values()
    return {
        "schema": SCHEMA,
        "status": ending.status,
        "seconds": round(ending.seconds, 3),
        "requests": {
            "allowed": sum(each.allowed for each in hosts),
            "denied": sum(each.denied for each in hosts),
            "failed": sum(each.failed for each in hosts),
        },
        "swapped": sum(each.secrets.total() for each in hosts),
        "hosts": [_host_json(host, counts) for host, counts in tally.hosts.items()],
        "denied": [_denial_json(denial, tally.denied_counts[key]) for key, denial in tally.denials.items()],
        "failed": [
            {"host": host, "requests": count, "error": error} for (host, error), count in tally.failures.items()
        ],
        "refused": _refused_json(ending),
        "handshakes": [{"reason": reason, "count": count} for reason, count in tally.handshakes.items()],
        "names_refused": [{"name": name, "questions": count} for name, count in tally.refused_names.items()],
        "notes": list(ending.notes),
        "warnings": list(ending.warnings),
    }


def _host_json(host: str, counts: HostCounts) -> dict[str, Any]:
    return {
        "host": host,
        "allowed": counts.allowed,
        "denied": counts.denied,
        "failed": counts.failed,
        "secrets": dict(counts.secrets),
    }


def _denial_json(denial: Denial, count: int) -> dict[str, Any]:
    return {
        "host": denial.host,
        "requests": count,
        "reason": denial.reason,
        "flag": flag_for(denial),
        "rule": rule_for(denial),
    }


def _refused_json(ending: Ending) -> dict[str, Any]:
    refused = ending.refused or {}
    return {
        "visible": ending.refused is not None,
        "total": sum(refused.values()) + ending.unnamed,
        "destinations": [
            {"protocol": each.protocol, "address": each.address, "port": each.port, "count": count}
            for each, count in refused.items()
        ],
    }


# --- what would allow it --------------------------------------------------------------------------------------------


def flag_for(denial: Denial) -> str:
    """The flag that would have let the requests pass; "" where none would."""
    target = _target_of(denial) if denial.is_by_policy else None
    if target is None:
        return ""
    has_usual_port = target.port in DEFAULT_PORTS.values()
    return f"--allow {target.host if has_usual_port else target}"


def rule_for(denial: Denial) -> str:
    """The element of an allowlist's `rules` that fits the first of the requests alone; "" where none would."""
    target = _target_of(denial) if denial.is_by_policy else None
    return "" if target is None else rule_hint(Denied(target, denial.scheme, denial.method, denial.path))


def _target_of(denial: Denial) -> Target | None:
    try:
        return parse_target(denial.host.encode("ascii"), DEFAULT_PORTS[denial.scheme])
    except (BadRequest, UnicodeEncodeError):
        return None


# --- for people -----------------------------------------------------------------------------------------------------


def as_lines(tally: Tally, ending: Ending) -> list[str]:
    """What is printed; the first line says it all where nothing was denied."""
    lines = [_headline(tally, ending)]
    lines += _cut(list(_allowed_lines(tally)), "hosts")
    lines += _cut(list(_denied_lines(tally)), "denials")
    lines += _cut([f"  failed   {host}: {error}" for host, error in tally.failures], "failures")
    lines += _cut(list(_refused_lines(ending)), "destinations")
    lines += _cut([f"  no name  {name} ({count})" for name, count in tally.refused_names.items()], "names")
    lines += [f"  no TLS   {reason} ({count})" for reason, count in tally.handshakes.items()]
    lines += _cut([f"  warning  {warning}" for warning in ending.warnings], "warnings")
    return lines


def _headline(tally: Tally, ending: Ending) -> str:
    hosts = tally.hosts.values()
    allowed, denied, failed = (sum(getattr(each, name) for each in hosts) for name in ("allowed", "denied", "failed"))
    swapped = sum(each.secrets.total() for each in hosts)
    refused = sum((ending.refused or {}).values()) + ending.unnamed
    if not (allowed or denied or failed or refused):
        return f"{_PREFIX}no requests"
    parts = [f"{_requests(allowed)} allowed", f"{denied} denied"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{swapped} secret{'s' if swapped > 1 else ''} put in"] if swapped else []
    parts += [f"{refused} connection{'s' if refused > 1 else ''} to other ports refused"] if refused else []
    return _PREFIX + ", ".join(parts)


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"


def _allowed_lines(tally: Tally) -> Iterator[str]:
    for host, counts in tally.hosts.items():
        if counts.allowed:
            secrets = f", with {', '.join(counts.secrets)}" if counts.secrets else ""
            yield f"  allowed  {host} ({counts.allowed}{secrets})"


def _denied_lines(tally: Tally) -> Iterator[str]:
    for key, denial in tally.denials.items():
        line = f"  denied   {denial.host or 'a request'} ({tally.denied_counts[key]}): {denial.reason}"
        flag = flag_for(denial)
        yield f"{line}; to allow it: {flag}" if flag else line


def _refused_lines(ending: Ending) -> Iterator[str]:
    for refusal, count in (ending.refused or {}).items():
        address = f"[{refusal.address}]" if ":" in refusal.address else refusal.address
        port = f":{refusal.port}" if refusal.port else ""
        yield f"  refused  {refusal.protocol} {address}{port} ({count})"
    if ending.unnamed:
        yield f"  refused  {ending.unnamed} more, without a name"


def _cut(lines: list[str], what: str) -> list[str]:
    if len(lines) <= _MAX_LINES:
        return lines
    return [*lines[:_MAX_LINES], f"  … and {len(lines) - _MAX_LINES} more {what}: --summary json tells them all"]
