"""The page's families as the collector decodes them: the same numbers, over both protocols."""

from typing import Any

import pytest
from tests.fakes.otlp_collector import GRPCCollector, HTTPCollector, ask_for, attributes_of
from tests.unit.audit.records import record_of
from tests.unit.management.test_metrics_page import READINGS

from iron_proxy.audit.otlp_settings import Signal, read_otlp_settings
from iron_proxy.audit.outcome import Rejected
from iron_proxy.management.metrics_page import MetricsPage
from iron_proxy.management.otlp_metrics import OTLPMetricExporter, named
from iron_proxy.management.request_metrics import RequestMetrics

PROTOCOLS = pytest.mark.parametrize("kind", [HTTPCollector, GRPCCollector])
CUMULATIVE = 2
AT = 1_800_000_000_000_000_000


def exporter_for(collector: Any, monkeypatch: pytest.MonkeyPatch) -> OTLPMetricExporter:
    variables = ask_for(monkeypatch, collector, OTEL_METRICS_EXPORTER="otlp")
    settings = read_otlp_settings(variables, Signal.METRICS)
    assert settings is not None
    return OTLPMetricExporter(settings, variables)


@PROTOCOLS
def test_a_collector_gets_what_the_page_shows(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = RequestMetrics()
    for record in (record_of(), record_of(), record_of(Rejected(403, "no", "allowlist"))):
        metrics.take(record)
    page = MetricsPage(metrics, lambda: READINGS)
    with kind() as collector:
        exporter = exporter_for(collector, monkeypatch)
        assert exporter.export(page.families(), AT)
        exporter.shutdown()
    [found] = collector.metrics()

    shown = [family for family in page.families() if family.samples]
    assert set(found) == {named(family.name)[0] for family in shown}
    requests = found["iron_proxy_requests"].sum
    assert (requests.is_monotonic, requests.aggregation_temporality) == (True, CUMULATIVE)
    counted = {attributes_of(point)["action"]: point.as_int for point in requests.data_points}
    assert counted == {"allow": 2, "reject": 1}
    assert all(0 < point.start_time_unix_nano < point.time_unix_nano == AT for point in requests.data_points)
    assert found["iron_proxy_connections"].gauge.data_points[0].as_int == 3
    assert (found["iron_proxy_audit_queued"].unit, found["iron_proxy_requests"].unit) == ("By", "1")
    scope = collector.requests[0][2].resource_metrics[0].scope_metrics[0].scope
    assert scope.name == "iron-proxy/metrics"


@PROTOCOLS
def test_a_histogram_counts_between_its_bounds(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = RequestMetrics()
    for seconds in (0.0005, 0.0125, 0.012, 100.0):
        metrics.take(record_of(duration=seconds))
    with kind() as collector:
        exporter = exporter_for(collector, monkeypatch)
        assert exporter.export(MetricsPage(metrics, lambda: READINGS).families(), AT)
        exporter.shutdown()
    histogram = collector.metrics()[0]["iron_proxy_request_duration"]

    [point] = histogram.histogram.data_points
    assert histogram.unit == "s"
    assert (point.count, point.sum) == (4, pytest.approx(100.025))
    assert list(point.explicit_bounds)[:4] == [0.001, 0.0025, 0.005, 0.01]
    assert list(point.bucket_counts) == [1, 0, 0, 0, 2, *[0] * 10, 1]
    assert not point.HasField("min")
    assert not point.HasField("max")


def test_a_refusal_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPCollector() as collector:
        collector.status = 403
        exporter = exporter_for(collector, monkeypatch)
        assert not exporter.export(MetricsPage(RequestMetrics(), lambda: READINGS).families(), AT)
        exporter.shutdown()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("iron_proxy_request_duration_seconds", ("iron_proxy_request_duration", "s")),
        ("process_resident_memory_bytes", ("process_resident_memory", "By")),
        ("iron_proxy_requests", ("iron_proxy_requests", "1")),
    ],
)
def test_what_prometheus_says_in_a_name_is_the_unit(name: str, expected: tuple[str, str]) -> None:
    assert named(name) == expected
