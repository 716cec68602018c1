"""
What is counted of each audit record, in plain numbers, which nobody looks at before `/metrics` is asked for.

A sink of the audit emitter (`audit/emitter.py`), read by `metrics_page.py`. Every label has a value of ours or of the
configuration: nothing that traffic brings along, such as a host name, makes a new series.
"""

from bisect import bisect_left
from typing import Any, Final

import msgspec
from msgspec import UNSET

from iron_proxy.audit.record import EventRecord, Record, RequestRecord

# Upper bounds in milliseconds: from a denial's tenths of one to the slowest honest response.
DURATION_BOUNDS: Final = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4)
# Transforms take microseconds; those that ask a service take what that takes.
TRANSFORM_BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 50.0, 100.0, 1e3)

OTHER: Final = "other"
# A policy may have ten thousand rules, and each reload others; a page of so many series is read by nobody.
MAX_RULES: Final = 500
# Transforms, and the few words for what refuses a request before them.
MAX_REFUSERS: Final = 100

# What transforms note on a request (docs/reference/audit-log.md) and is worth an alarm or a curve.
NOTES: Final = (
    "swapped", "injected", "redacted", "token_misuse", "token_unswapped", "honeytoken", "secret_unavailable",
    "stripped_headers", "body_truncated",
)  # fmt: skip


class Histogram:
    """Observations by bucket. `total` is their sum, in milliseconds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, milliseconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, milliseconds)] += 1
        self.total += milliseconds

    def add_all(self, counts: list[int], total: float) -> None:
        """Count what another one of the same bounds has counted."""
        self.counts = [one + other for one, other in zip(self.counts, counts, strict=True)]
        self.total += total

    def cumulative(self) -> list[tuple[str, int]]:
        """(upper bound in seconds, how many are not above it), the last one without bound."""
        rows, running = [], 0
        for bound, count in zip((*(repr(each / 1e3) for each in self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            rows.append((bound, running))
        return rows


class Counts(msgspec.Struct):
    """All that was counted, to be sent to another process: rows of labels and a number."""

    requests: list[tuple[str, str | None, int, int]]
    refusals: dict[str, int]
    events: list[tuple[str, str, int]]
    limits: dict[str, int]
    notes: dict[str, int]
    durations: list[int]
    durations_total: float
    transform_durations: list[int]
    transform_durations_total: float
    bytes_from_client: int
    bytes_from_upstream: int


class RequestMetrics:
    """`take` is the sink; the rest is read at a scrape, in the same thread."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, Any, int], int] = {}      # action, rule or UNSET, status class
        self.refusals: dict[str, int] = {}
        self.events: dict[tuple[str, str], int] = {}             # event, action
        self.limits: dict[str, int] = {}                         # what was refused, by the limit's key
        self.notes = dict.fromkeys(NOTES, 0)
        self.durations = Histogram(DURATION_BOUNDS)
        self.transform_durations = Histogram(TRANSFORM_BOUNDS)
        self.bytes_from_client = self.bytes_from_upstream = 0
        self._rules: set[str] = set()

    def take(self, record: Record) -> None:
        """Count one record. It takes well under a microsecond: every request pays for it."""
        if type(record) is not RequestRecord:
            self._take_event(record)             # type: ignore[arg-type]  # the other kind
            return
        counted = record.action, record.rule, record.status_code // 100
        try:
            self.requests[counted] += 1
        except KeyError:
            self._count_first(*counted)
        self.durations.add(record.duration_ms)
        if record.bytes_from_client is not UNSET:
            self.bytes_from_client += record.bytes_from_client
        if record.bytes_from_upstream is not UNSET:
            self.bytes_from_upstream += record.bytes_from_upstream
        if record.rejected_by is not UNSET:
            self._count_refusal(record.rejected_by)
        self._take_traces(record.request_transforms, record.response_transforms)

    def _take_traces(self, request: list[dict[str, Any]], response: list[dict[str, Any]]) -> None:
        spent, notes = 0.0, self.notes
        for trace in [*request, *response] if response else request:
            spent += trace["duration_ms"]
            if "annotations" in trace:
                for name in trace["annotations"]:
                    if name in notes:
                        notes[name] += 1
        self.transform_durations.add(spent)

    def _count_first(self, action: str, rule: Any, status_class: int, count: int = 1) -> None:
        """The first of its kind; or one of a rule that there is no room for any more."""
        if rule is not UNSET and rule not in self._rules:
            if len(self._rules) < MAX_RULES:
                self._rules.add(rule)
            else:
                rule = UNSET
        key = action, rule, status_class
        self.requests[key] = self.requests.get(key, 0) + count

    def _take_event(self, record: EventRecord) -> None:
        key = record.event, record.action
        self.events[key] = self.events.get(key, 0) + 1
        if record.limit is not UNSET:            # stands for many: `connection_counts.py` sums them
            name = record.limit["name"]
            self.limits[name] = self.limits.get(name, 0) + record.limit["refused"]

    def _count_refusal(self, by: str, count: int = 1) -> None:
        if by not in self.refusals and len(self.refusals) >= MAX_REFUSERS:
            by = OTHER
        self.refusals[by] = self.refusals.get(by, 0) + count

    # --- of several processes ---------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """Everything, for `add`."""
        return Counts(
            [(action, _text(rule), status, n) for (action, rule, status), n in self.requests.items()],
            self.refusals,
            [(event, action, n) for (event, action), n in self.events.items()],
            self.limits,
            self.notes,
            self.durations.counts,
            self.durations.total,
            self.transform_durations.counts,
            self.transform_durations.total,
            self.bytes_from_client,
            self.bytes_from_upstream,
        )

    def add(self, other: Counts) -> None:
        """Count what another process has counted, under the same limits."""
        for action, rule, status, count in other.requests:
            self._count_first(action, UNSET if rule is None else rule, status, count)
        for by, count in other.refusals.items():
            self._count_refusal(by, count)
        for event, action, count in other.events:
            self.events[event, action] = self.events.get((event, action), 0) + count
        for name, count in other.limits.items():
            self.limits[name] = self.limits.get(name, 0) + count
        for name, count in other.notes.items():
            self.notes[name] += count
        self.durations.add_all(other.durations, other.durations_total)
        self.transform_durations.add_all(other.transform_durations, other.transform_durations_total)
        self.bytes_from_client += other.bytes_from_client
        self.bytes_from_upstream += other.bytes_from_upstream


def _text(rule: Any) -> str | None:
    return rule if isinstance(rule, str) else None
