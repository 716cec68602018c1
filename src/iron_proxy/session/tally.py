"""
What a program did, counted from the audit records as they are made; `summary.py` tells it.

Bounded, whatever the program does: hosts beyond a number are counted together.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from iron_proxy.audit.record import EventRecord, Record, RequestRecord

# A summary of more is read by nobody, and a program that invents names must not fill the memory.
MAX_HOSTS: Final = 1000
OTHER_HOSTS: Final = "(other hosts)"
# What is not for a terminal: a host that was refused for its form is written as it came.
_MAX_HOST_TEXT: Final = 260
# No rule is suggested for a longer path; what is cut here is longer still.
_MAX_PATH_TEXT: Final = 1000

# `rejected_by` of what one rule more would change.
_BY_POLICY: Final = ("allowlist", "default_deny")


@dataclass(slots=True)
class HostCounts:
    """Requests of one host, and how often each secret was put into them."""

    allowed: int = 0
    denied: int = 0
    failed: int = 0
    secrets: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Denial:
    """
    Requests that were denied for one reason: the first of them stands for all.

    `is_by_policy`: one rule more would have let it pass. `method` and `path` are empty for an opening of a tunnel and
    for TLS that is passed through.
    """

    host: str  # with the port where it is not the scheme's own; for the opening of a tunnel always
    reason: str
    scheme: str
    method: str
    path: str
    is_by_policy: bool


class Tally:
    """A sink for records."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostCounts] = {}
        self.denials: dict[tuple[str, str], Denial] = {}  # by host and reason
        self.denied_counts: Counter[tuple[str, str]] = Counter()
        self.failures: Counter[tuple[str, str]] = Counter()  # host and error
        self.handshakes: Counter[str] = Counter()  # TLS that did not come about, by reason
        self.refused_names: Counter[str] = Counter()  # in DNS

    def take(self, record: Record) -> None:
        """Count one record."""
        if isinstance(record, EventRecord):
            self._take_event(record)
            return
        is_opening = record.method == "CONNECT"
        if is_opening and record.action == "allow":  # what comes inside is counted
            return
        host = printable(record.host)
        counts = self._counts_of(host)
        match record.action:
            case "reject":
                counts.denied += 1
                self._deny(host, record, is_opening)
            case "error":
                counts.failed += 1
                self._fail(host, str(record.error))
            case _:
                counts.allowed += 1
        for name in _secrets_in(record):
            counts.secrets[name] += 1

    def _counts_of(self, host: str) -> HostCounts:
        counts = self.hosts.get(host)
        if counts is None:
            known = host if len(self.hosts) < MAX_HOSTS else OTHER_HOSTS
            counts = self.hosts.setdefault(known, HostCounts())
        return counts

    def _deny(self, host: str, record: RequestRecord, is_opening: bool) -> None:
        reason = printable(str(record.reason))
        key = (host, reason)
        if key not in self.denials:
            if len(self.denials) >= MAX_HOSTS:
                return
            scheme = "https" if record.sni or record.mode != "mitm" else "http"
            method, path = ("", "") if is_opening else (record.method, record.path[:_MAX_PATH_TEXT])
            is_by_policy = record.rejected_by in _BY_POLICY
            self.denials[key] = Denial(host, reason, scheme, method, path, is_by_policy)
        self.denied_counts[key] += 1

    def _fail(self, host: str, error: str) -> None:
        key = (host, printable(error))
        if key in self.failures or len(self.failures) < MAX_HOSTS:
            self.failures[key] += 1

    def _take_event(self, record: EventRecord) -> None:
        if record.action != "reject":
            return
        if record.event == "handshake":
            reason = printable(str(record.reason))
            if reason in self.handshakes or len(self.handshakes) < MAX_HOSTS:
                self.handshakes[reason] += 1
        elif record.event == "dns" and isinstance(record.host, str):
            name = printable(record.host)
            if name in self.refused_names or len(self.refused_names) < MAX_HOSTS:
                self.refused_names[name] += 1


def printable(text: str) -> str:
    """Fit for a terminal: no control characters, and not too long."""
    shown = "".join(character if character.isprintable() else "?" for character in text[: _MAX_HOST_TEXT + 1])
    return shown if len(shown) <= _MAX_HOST_TEXT else shown[:_MAX_HOST_TEXT] + "…"


def _secrets_in(record: RequestRecord) -> list[str]:
    """The names of the secrets that were put into a request, as the traces tell."""
    names = []
    for trace in record.request_transforms:
        notes = trace.get("annotations") or {}
        for key in ("swapped", "injected"):
            names += [str(each["secret"]) for each in notes.get(key, ())]
    return names
