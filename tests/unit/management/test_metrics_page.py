"""The page as Prometheus's own parser reads it."""

from prometheus_client.parser import text_string_to_metric_families
from tests.unit.audit.records import record_of

from iron_proxy.audit.emitter import Condition
from iron_proxy.audit.otlp_queue import ExportCondition
from iron_proxy.audit.outcome import ClientGone, Rejected
from iron_proxy.audit.record import EventRecord
from iron_proxy.management.metrics_page import MetricsPage, Readings
from iron_proxy.management.request_metrics import RequestMetrics

READINGS = Readings(
    generation=2, connections=3, upstream_idle=4, upstream_opened=5, leaves_cached=6, leaves_signed=7, log_masked=0,
    audit=Condition(11, 12, 13, 14, True), export=None,
)  # fmt: skip

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_of(page: bytes) -> Samples:
    return {
        (sample.name.removeprefix("iron_proxy_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def samples(metrics: RequestMetrics, readings: Readings = READINGS) -> Samples:
    return samples_of(MetricsPage(metrics, lambda: readings).render())


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


def test_requests_have_their_labels() -> None:
    metrics = RequestMetrics()
    record = record_of()
    record.rule = 'rules["a\\b"]\n'                # whatever an operator calls one
    for each in (record, record, record_of(Rejected(403, "no", "allowlist"))):
        metrics.take(each)
    found = samples(metrics)

    assert found["requests_total", labels(action="allow", rule=record.rule, status="2xx")] == 2
    assert found["requests_total", labels(action="reject", rule="other", status="4xx")] == 1
    assert found["refusals_total", labels(by="allowlist")] == 1


def test_a_request_that_was_never_answered_has_no_status() -> None:
    metrics = RequestMetrics()
    record = record_of(ClientGone())
    record.status_code = 0
    metrics.take(record)

    assert samples(metrics)["requests_total", labels(action=record.action, rule="other", status="none")] == 1


def test_histograms_are_whole() -> None:
    metrics = RequestMetrics()
    metrics.take(record_of(duration=0.0125))
    found = samples(metrics)

    assert found["request_duration_seconds_bucket", labels(le="0.01")] == 0
    assert found["request_duration_seconds_bucket", labels(le="0.025")] == 1
    assert found["request_duration_seconds_bucket", labels(le="+Inf")] == 1
    assert found["request_duration_seconds_count", labels()] == 1
    assert found["request_duration_seconds_sum", labels()] == 0.0125
    assert found["transform_duration_seconds_count", labels()] == 1


def test_events_and_notes_are_there() -> None:
    metrics = RequestMetrics()
    metrics.take(EventRecord(time="", level="WARN", event="handshake", action="reject"))
    found = samples(metrics)

    assert found["events_total", labels(event="handshake", action="reject")] == 1
    assert found["notes_total", labels(note="honeytoken")] == 0


def test_how_the_process_stands_is_read_at_each_scrape() -> None:
    found = samples(RequestMetrics())

    assert {name: found[name, labels()] for name in (
        "config_generation", "connections", "upstream_idle_connections", "upstream_connections_total",
        "leaf_cache_entries", "leaf_certificates_total", "log_masked_total", "audit_records_total", "audit_lost_total",
        "audit_refused_total", "audit_queued_bytes", "audit_stalled",
    )} == {
        "config_generation": 2, "connections": 3, "upstream_idle_connections": 4, "upstream_connections_total": 5,
        "leaf_cache_entries": 6, "leaf_certificates_total": 7, "log_masked_total": 0, "audit_records_total": 11,
        "audit_lost_total": 12, "audit_refused_total": 13, "audit_queued_bytes": 14, "audit_stalled": 1,
    }  # fmt: skip


def test_the_export_is_told_where_there_is_one() -> None:
    without = samples(RequestMetrics())
    found = samples(RequestMetrics(), READINGS._replace(export=ExportCondition(1, 2, 3, 4)))

    assert ("otlp_exported_total", labels()) not in without
    names = ("exported_total", "dropped_total", "failed_total", "queued")
    assert [found[f"otlp_{name}", labels()] for name in names] == [1, 2, 3, 4]


def test_ten_thousand_hosts_do_not_make_the_page_longer() -> None:
    metrics = RequestMetrics()
    metrics.take(record_of(Rejected(403, "no", "allowlist")))
    before = len(samples(metrics))
    for number in range(10_000):
        metrics.take(record_of(Rejected(403, "no", "allowlist"), host=f"h{number}.test", server_name=f"s{number}.test"))

    assert len(samples(metrics)) == before
