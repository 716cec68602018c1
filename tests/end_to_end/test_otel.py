"""Real processes and collectors: every record arrives, and no collector, however bad, changes anything for clients."""

from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from tests.conftest import Fresh
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.otlp_collector import GRPCCollector, HTTPCollector, attributes_of
from tests.fakes.running_proxy import ProxyCA, run_to_end
from tests.fakes.wire_client import Way

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]
KINDS = pytest.mark.parametrize(("kind", "protocol"), [(HTTPCollector, "http/protobuf"), (GRPCCollector, "grpc")])


def variables(url: str, protocol: str, **more: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **more}


@KINDS
def test_the_collector_gets_what_the_log_gets(fresh_proxy: Fresh, kind: Any, protocol: str) -> None:
    with kind() as collector:
        proxy = fresh_proxy(env=variables(collector.url, protocol, OTEL_BLRP_SCHEDULE_DELAY="60000"))
        for _ in range(3):
            proxy.ask(Way.HTTP)
        proxy.ask(Way.CONNECT_TLS)
        proxy.ask(Way.HTTP, host="evil.test")
        proxy.ask_to_stop()
        assert proxy.wait_for_exit() == 0

    lines = [line for line in proxy.parsed() if line["msg"] in ("request", "event")]
    expected = [{key: value for key, value in line.items() if key not in ("time", "level", "msg")} for line in lines]
    assert [attributes_of(record) for record in collector.records()] == expected
    assert [record.severity_text for record in collector.records()] == [line["level"] for line in lines]
    assert {line["action"] for line in lines} == {"allow", "reject"}
    assert not [line for line in proxy.parsed() if str(collector.port) in str(line.get("host", ""))]


@KINDS
def test_a_dead_collector_costs_no_request_and_is_told(fresh_proxy: Fresh, kind: Any, protocol: str) -> None:
    with kind() as collector:
        pass
    proxy = fresh_proxy(env=variables(collector.url, protocol, OTEL_BLRP_SCHEDULE_DELAY="10"))

    assert [proxy.ask(Way.HTTP).status for _ in range(50)] == [200] * 50

    started = monotonic()
    proxy.ask_to_stop()
    assert proxy.wait_for_exit() == 0
    assert monotonic() - started < 8
    told = [line for line in proxy.parsed() if line["msg"] == "audit records were not exported by OTLP"]
    assert sum(line["count"] for line in told) == 50


@KINDS
def test_a_collector_that_holds_costs_no_request(fresh_proxy: Fresh, kind: Any, protocol: str) -> None:
    with kind() as collector:
        collector.hold = True
        proxy = fresh_proxy(
            env=variables(collector.url, protocol, OTEL_BLRP_SCHEDULE_DELAY="10", OTEL_BLRP_MAX_QUEUE_SIZE="20")
        )
        proxy.ask(Way.HTTP)
        collector.wait_for_request()

        assert [proxy.ask(Way.HTTP).status for _ in range(50)] == [200] * 50

        proxy.ask_to_stop()
        assert proxy.wait_for_exit() == 0
        told = [line for line in proxy.parsed() if line["msg"] == "audit records were not exported by OTLP"]
        assert sum(line["count"] for line in told) >= 30


@KINDS
def test_a_refusing_collector_is_told_and_later_records_arrive(fresh_proxy: Fresh, kind: Any, protocol: str) -> None:
    with kind() as collector:
        collector.status = 400
        proxy = fresh_proxy(env=variables(collector.url, protocol, OTEL_BLRP_SCHEDULE_DELAY="10"))
        proxy.ask(Way.HTTP)
        proxy.wait_for(lambda line: line["msg"] == "audit records were not exported by OTLP")
        collector.status, before = 200, len(collector.records())
        proxy.ask(Way.HTTP)

        assert len(collector.wait_for(before + 1)) == before + 1
        proxy.ask_to_stop()
        assert proxy.wait_for_exit() == 0


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@KINDS
def test_spans_and_metrics_are_those_of_the_log(fresh_proxy: Fresh, kind: Any, protocol: str) -> None:
    with kind() as collector:
        proxy = fresh_proxy(
            env=variables(
                collector.url, protocol, OTEL_TRACES_EXPORTER="otlp", OTEL_METRICS_EXPORTER="otlp",
                OTEL_BSP_SCHEDULE_DELAY="60000", OTEL_METRIC_EXPORT_INTERVAL="60000",
            ),
            metrics=None,
        )  # fmt: skip
        for way in (Way.HTTP, Way.HTTPS, Way.CONNECT_TLS):
            assert proxy.ask(way, headers=f"Traceparent: 00-{TRACE}-{SPAN}-01\r\n").status == 200
        proxy.ask(Way.HTTP, host="evil.test")
        proxy.ask_to_stop()
        assert proxy.wait_for_exit() == 0

    requests = [line for line in proxy.parsed() if line["msg"] == "request"]
    spans = {attributes_of(span)["iron_proxy.request_id"]: span for span in collector.spans()}
    assert list(spans) == [line["request_id"] for line in requests]
    for line in requests:
        is_child = line["method"] == "GET" and line["action"] == "allow"
        assert spans[line["request_id"]].parent_span_id.hex() == (SPAN if is_child else "")
        assert (spans[line["request_id"]].trace_id.hex() == TRACE) is is_child
    named = {attributes_of(record)["request_id"]: record.span_id for record in collector.records()}
    assert named == {request_id: span.span_id for request_id, span in spans.items()}

    metrics = collector.metrics()[-1]
    assert sum(point.as_int for point in metrics["iron_proxy_requests"].sum.data_points) == len(requests)
    assert metrics["iron_proxy_upstream_response_duration"].histogram.data_points[0].count == 3


def test_what_a_client_says_of_its_trace_goes_on_as_it_came(fresh_proxy: Fresh, internet: Internet) -> None:
    headers = f"Traceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: a=b\r\n"
    with HTTPCollector() as collector:
        proxy = fresh_proxy(env=variables(collector.url, "http/protobuf", OTEL_TRACES_EXPORTER="otlp"))
        before = len(internet.allowed.requests)
        assert proxy.ask(Way.HTTP, "/traced", headers=headers).status == 200
        proxy.settle()

    seen = internet.allowed.wait_for("/traced", before)
    assert (b"Traceparent", f"00-{TRACE}-{SPAN}-01".encode()) in seen.fields
    assert (b"tracestate", b"a=b") in seen.fields
    [step] = [each for each in proxy.records()[-1]["request_transforms"] if each["name"] == "trace_context"]
    assert step["annotations"] == {"traceparent": f"00-{TRACE}-{SPAN}-01"}


def test_an_unknown_protocol_stops_the_start(internet: Internet, proxy_ca: ProxyCA, tmp_path: Path) -> None:
    environment = variables("http://127.0.0.1:9", "carrier-pigeon")

    ended = run_to_end(base_config(internet, proxy_ca), tmp_path, internet, environment)

    assert ended.returncode == 1
    assert 'error: unsupported OTEL_EXPORTER_OTLP_PROTOCOL: "carrier-pigeon"' in ended.stderr
