"""
Many records as few figures: how many requests a host, a client or a status had, how they ended, how long they took.

Bounded, whatever the records hold: durations are counted in classes, and groups beyond a number together.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.audit_reading.selection import host_of

# More are read by nobody; a program that invents hosts must not fill the memory.
MAX_GROUPS = 10_000
OTHERS = "(others)"
GROUPINGS = ("host", "client", "status")
# Classes per factor of e: what is told of a duration is right within 1.6 %.
_CLASSES = 32
_LET_THROUGH = ("allow", "stub", "client_cancel")


class Durations:
    """Percentiles in bounded memory."""

    def __init__(self) -> None:
        self._classes: Counter[int | None] = Counter()         # None: no measurable time

    def add(self, milliseconds: float) -> None:
        """Count one."""
        self._classes[int(math.log(milliseconds) * _CLASSES // 1) if milliseconds > 0 else None] += 1

    def percentile(self, share: float) -> float:
        """The milliseconds that this share (0 to 1) of the requests did not exceed; 0 without requests."""
        left = share * self._classes.total()
        for each in sorted(self._classes, key=lambda key: -math.inf if key is None else key):
            left -= self._classes[each]
            if left <= 0:
                return 0.0 if each is None else math.exp((each + 0.5) / _CLASSES)
        return 0.0


@dataclass(slots=True)
class GroupFigures:
    """The figures of one group. Bytes are those that the records tell."""

    allowed: int = 0
    denied: int = 0
    failed: int = 0
    bytes_from_client: int = 0
    bytes_from_upstream: int = 0
    durations: Durations = field(default_factory=Durations)

    @property
    def requests(self) -> int:
        """All of them."""
        return self.allowed + self.denied + self.failed


class Statistics:
    """Fed with records; `by` is one of GROUPINGS."""

    def __init__(self, by: str) -> None:
        self.by = by
        self.groups: dict[str, GroupFigures] = {}
        self.first = ""
        self.last = ""

    def add(self, entry: Entry) -> None:
        """Count a request once; an opening that was allowed is counted by what comes inside."""
        if not entry.is_request or entry.phase == "open" or (entry.method == "CONNECT" and entry.action == "allow"):
            return
        self.first, self.last = self.first or entry.time, entry.time
        figures = self._figures_of(self._group_of(entry))
        if entry.action == "reject":
            figures.denied += 1
        elif entry.action in _LET_THROUGH:
            figures.allowed += 1
        else:
            figures.failed += 1
        figures.bytes_from_client += entry.bytes_from_client
        figures.bytes_from_upstream += entry.bytes_from_upstream
        figures.durations.add(entry.duration_ms)

    def most_first(self) -> list[tuple[str, GroupFigures]]:
        """The groups, those with the most requests first."""
        return sorted(self.groups.items(), key=lambda item: (-item[1].requests, item[0]))

    def _group_of(self, entry: Entry) -> str:
        if self.by == "client":
            return entry.client or entry.client_address
        return str(entry.status_code) if self.by == "status" else host_of(entry)

    def _figures_of(self, group: str) -> GroupFigures:
        figures = self.groups.get(group)
        if figures is None:
            known = group if len(self.groups) < MAX_GROUPS else OTHERS
            figures = self.groups.setdefault(known, GroupFigures())
        return figures
