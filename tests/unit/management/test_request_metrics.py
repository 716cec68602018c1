"""What is counted of a record; and that traffic cannot make the counts grow."""

from typing import Any

import msgspec
import pytest
from msgspec import UNSET
from tests.unit.audit.records import record_of

from iron_proxy.audit.outcome import Failed, Rejected
from iron_proxy.audit.record import EventRecord, RequestRecord
from iron_proxy.management.request_metrics import (
    DURATION_BOUNDS,
    MAX_REFUSERS,
    MAX_RULES,
    OTHER,
    Counts,
    Histogram,
    RequestMetrics,
)


def admitted(rule: str = "domains[0]", **changes: Any) -> RequestRecord:
    record = record_of(**changes)
    record.rule = rule
    return record


def test_requests_are_counted_by_action_rule_and_status_class() -> None:
    metrics = RequestMetrics()
    for record in (admitted(), admitted(), admitted("domains[1]"), record_of(Rejected(403, "no", "allowlist"))):
        metrics.take(record)

    assert metrics.requests == {
        ("allow", "domains[0]", 2): 2,
        ("allow", "domains[1]", 2): 1,
        ("reject", UNSET, 4): 1,
    }
    assert metrics.refusals == {"allowlist": 1}


def test_a_failure_counts_as_one() -> None:
    metrics = RequestMetrics()
    metrics.take(record_of(Failed(502, "broken")))

    assert metrics.requests == {("error", UNSET, 5): 1}


def test_durations_fall_into_their_buckets() -> None:
    metrics = RequestMetrics()
    for duration in (0.0005, 0.001, 0.0011, 100.0):
        metrics.take(admitted(duration=duration))

    assert metrics.durations.counts[:2] == [2, 1]
    assert metrics.durations.counts[-1] == 1
    assert metrics.durations.total == pytest.approx(100_002.6)


def test_buckets_are_cumulative_and_in_seconds() -> None:
    histogram = Histogram((1.0, 1e3))
    histogram.counts = [1, 2, 3]

    assert histogram.cumulative() == [("0.001", 1), ("1.0", 3), ("+Inf", 6)]
    assert list(DURATION_BOUNDS) == sorted(DURATION_BOUNDS)


def test_the_transforms_of_a_request_are_one_observation_and_their_notes_are_counted() -> None:
    traces = [
        {"name": "allowlist", "action": "continue", "duration_ms": 0.2},
        {"name": "secrets", "action": "continue", "duration_ms": 0.4, "annotations": {"swapped": [], "mine": 1}},
    ]
    response = [{"name": "secrets", "action": "continue", "duration_ms": 1.0, "annotations": {"redacted": []}}]
    metrics = RequestMetrics()
    metrics.take(admitted(request_traces=traces, response_traces=response))

    assert sum(metrics.transform_durations.counts) == 1
    assert metrics.transform_durations.total == pytest.approx(1.6)
    assert {name for name, count in metrics.notes.items() if count} == {"swapped", "redacted"}


def test_bytes_are_added_up() -> None:
    metrics = RequestMetrics()
    for _ in range(2):
        record = admitted()
        record.bytes_from_client, record.bytes_from_upstream = 3, 50
        metrics.take(record)

    assert (metrics.bytes_from_client, metrics.bytes_from_upstream) == (6, 100)


def test_events_are_counted_apart() -> None:
    metrics = RequestMetrics()
    metrics.take(EventRecord(time="", level="WARN", event="dns", action="reject"))

    assert metrics.events == {("dns", "reject"): 1}
    assert metrics.requests == {}


def test_ten_thousand_hosts_make_no_new_series() -> None:
    metrics = RequestMetrics()
    for number in range(10_000):
        metrics.take(admitted(host=f"host-{number}.test", path=f"/{number}"))
        metrics.take(record_of(Rejected(403, f"no {number}", "allowlist"), host=f"host-{number}.test"))

    assert len(metrics.requests) == 2
    assert sum(metrics.requests.values()) == 20_000


def test_rules_and_refusers_beyond_the_bound_share_a_series() -> None:
    metrics = RequestMetrics()
    for number in range(MAX_RULES + 10):
        metrics.take(admitted(f"domains[{number}]"))
        metrics.take(record_of(Rejected(403, "no", f"transform-{number}")))

    assert len(metrics.requests) == MAX_RULES + 2
    assert metrics.requests[("allow", UNSET, 2)] == 10
    assert len(metrics.refusals) == MAX_REFUSERS + 1
    assert metrics.refusals[OTHER] == MAX_RULES + 10 - MAX_REFUSERS


def test_what_several_processes_have_counted_is_added_up() -> None:
    one = RequestMetrics()
    for record in (
        admitted(),
        record_of(Rejected(403, "no", "allowlist")),
        EventRecord(time="t", level="INFO", event="dns", action="allow"),
    ):
        one.take(record)
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(one.counts()), type=Counts)
    total = RequestMetrics()

    total.add(sent)
    total.add(sent)

    assert total.requests == {("allow", "domains[0]", 2): 2, ("reject", UNSET, 4): 2}
    assert (total.refusals, total.events) == ({"allowlist": 2}, {("dns", "allow"): 2})
    assert sum(total.durations.counts) == 4
    assert total.durations.total == 2 * one.durations.total
    assert sum(total.transform_durations.counts) == 4


def test_together_they_make_no_more_series_than_one() -> None:
    total = RequestMetrics()
    for process in range(3):
        one = RequestMetrics()
        for number in range(MAX_RULES):
            one.take(admitted(f"rule {process} {number}"))
        total.add(one.counts())

    assert len(total.requests) == MAX_RULES + 1
    assert sum(total.requests.values()) == 3 * MAX_RULES


def refused_connections(name: str, count: int) -> EventRecord:
    return EventRecord(
        time="now", level="WARN", event="limit", action="reject", limit={"name": name, "value": 1, "refused": count}
    )


def test_an_event_of_a_limit_counts_for_as_many_as_it_stands_for_also_of_another_process() -> None:
    metrics, other = RequestMetrics(), RequestMetrics()
    metrics.take(refused_connections("limits.connections", 40))
    metrics.take(refused_connections("limits.connections", 2))
    other.take(refused_connections("limits.connections", 5))
    other.take(refused_connections("limits.connections_per_client", 1))

    metrics.add(msgspec.msgpack.decode(msgspec.msgpack.encode(other.counts()), type=Counts))

    assert metrics.limits == {"limits.connections": 47, "limits.connections_per_client": 1}
    assert metrics.events == {("limit", "reject"): 4}
