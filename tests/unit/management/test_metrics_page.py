"""The page as Prometheus's own parser reads it."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.audit.records import record_of

from iron_proxy.audit.emitter import Condition
from iron_proxy.audit.otlp_queue import ExportCondition
from iron_proxy.audit.outcome import ClientGone, Rejected
from iron_proxy.audit.record import EventRecord
from iron_proxy.inspection.secret_ages import FetchedSecret
from iron_proxy.management.metrics_page import MAX_SECRETS, MetricsPage
from iron_proxy.management.readings import Readings
from iron_proxy.management.request_metrics import RequestMetrics
from iron_proxy.management.upstream_metrics import UpstreamMetrics
from iron_proxy.secret_sources.source import Fetches

READINGS = Readings(
    generation=2, connections=3, upstream_idle=4, upstream_opened=5, leaves_cached=6, leaves_signed=7, log_masked=0,
    handshakes={"TLSv1.3": 8, "TLSv1.2": 9}, secrets=(),
    audit=Condition(11, 12, 13, 14, True), exports={},
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


def test_each_export_is_told_where_there_is_one() -> None:
    without = samples(RequestMetrics())
    exports = {"logs": ExportCondition(1, 2, 3, 4), "traces": ExportCondition(5, 6, 7, 8)}
    found = samples(RequestMetrics(), READINGS._replace(exports=exports))

    assert ("otlp_exported_total", labels(signal="logs")) not in without
    names = ("exported_total", "dropped_total", "failed_total", "queued")
    assert [found[f"otlp_{name}", labels(signal="logs")] for name in names] == [1, 2, 3, 4]
    assert [found[f"otlp_{name}", labels(signal="traces")] for name in names] == [5, 6, 7, 8]


def test_handshakes_are_by_side_and_failed_ones_of_clients_are_those_that_were_audited() -> None:
    metrics, upstream = RequestMetrics(), UpstreamMetrics()
    for event, action in (("handshake", "reject"), ("handshake", "error"), ("dns", "reject")):
        metrics.take(EventRecord(time="", level="WARN", event=event, action=action))
    upstream.connected(100.0, "TLSv1.3")
    upstream.not_connected(by_handshake=True)
    found = samples_of(MetricsPage(metrics, lambda: READINGS, upstream).render())

    assert {key: value for (name, key), value in found.items() if name == "tls_handshakes_total"} == {
        labels(side="client", result="ok", version="TLSv1.2"): 9,
        labels(side="client", result="ok", version="TLSv1.3"): 8,
        labels(side="client", result="failed", version=""): 2,
        labels(side="upstream", result="ok", version="TLSv1.3"): 1,
        labels(side="upstream", result="failed", version=""): 1,
    }


def test_connections_to_upstreams_are_told() -> None:
    upstream = UpstreamMetrics()
    upstream.connected(20.0, "")
    upstream.not_connected(by_handshake=False)
    upstream.taken_new, upstream.taken_reused = 2, 3
    upstream.answered(200.0)
    upstream.answered(20.0)
    found = samples_of(MetricsPage(RequestMetrics(), lambda: READINGS, upstream).render())

    assert found["upstream_connect_duration_seconds_bucket", labels(le="0.025")] == 1
    assert found["upstream_connect_failures_total", labels()] == 1
    assert found["upstream_requests_total", labels(connection="new")] == 2
    assert found["upstream_requests_total", labels(connection="reused")] == 3
    assert found["upstream_response_duration_seconds_bucket", labels(le="0.05")] == 1
    assert found["upstream_response_duration_seconds_count", labels()] == 2
    assert found["upstream_response_duration_seconds_sum", labels()] == pytest.approx(0.22)


def test_secrets_are_told_by_name_and_without_an_age_before_the_first_fetch() -> None:
    secrets = (FetchedSecret("a", 1.5, Fetches(2, 3)), FetchedSecret('b"\n', None, Fetches(0, 1)))
    found = samples(RequestMetrics(), READINGS._replace(secrets=secrets))

    assert found["secret_fetches_total", labels(secret="a", result="ok")] == 2
    assert found["secret_fetches_total", labels(secret='b"\n', result="failed")] == 1
    assert found["secret_age_seconds", labels(secret="a")] == 1.5
    assert ("secret_age_seconds", labels(secret='b"\n')) not in found


def test_no_more_than_so_many_secrets_are_shown() -> None:
    secrets = [FetchedSecret(str(number), 1.0, Fetches(1, 0)) for number in range(MAX_SECRETS + 100)]
    found = samples(RequestMetrics(), READINGS._replace(secrets=secrets))

    assert sum(name == "secret_age_seconds" for name, _ in found) == MAX_SECRETS


def test_ten_thousand_hosts_do_not_make_the_page_longer() -> None:
    metrics = RequestMetrics()
    metrics.take(record_of(Rejected(403, "no", "allowlist")))
    before = len(samples(metrics))
    for number in range(10_000):
        metrics.take(record_of(Rejected(403, "no", "allowlist"), host=f"h{number}.test", server_name=f"s{number}.test"))

    assert len(samples(metrics)) == before
