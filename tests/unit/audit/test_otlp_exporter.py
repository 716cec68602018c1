"""Lines become log records as the collector decodes them, over both protocols, with what the variables say."""

import builtins
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.otlp_collector import GRPCCollector, HTTPCollector, ask_for, attributes_of
from tests.unit.audit.records import record_of

from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.otlp_exporter import OTLPExporter
from iron_proxy.audit.otlp_settings import read_otlp_settings
from iron_proxy.audit.outcome import Failed, Rejected
from iron_proxy.errors import StartupError

PROTOCOLS = pytest.mark.parametrize("kind", [HTTPCollector, GRPCCollector])
LINE = seed_envelope(record_of())


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets variables, which the SDK reads from the process's own; returns them all."""

    def set_all(collector: Any, **more: str) -> Mapping[str, str]:
        return ask_for(monkeypatch, collector, **more)

    return set_all


def exporter_of(variables: Mapping[str, str]) -> OTLPExporter:
    settings = read_otlp_settings(variables)
    assert settings is not None
    return OTLPExporter(settings, variables)


@PROTOCOLS
def test_a_record_has_the_fields_of_the_line(kind: Any, environment: Any) -> None:
    record = record_of()
    with kind() as collector:
        exporter = exporter_of(environment(collector))
        assert exporter.export([seed_envelope(record)])
        exporter.shutdown()

    [got] = collector.records()
    assert (got.body.string_value, got.severity_text, got.severity_number) == ("request", "INFO", 9)
    assert got.observed_time_unix_nano - got.time_unix_nano == 12_500_000
    assert attributes_of(got) == {
        "request_id": "cafe-1", "host": "ok.test", "method": "GET", "path": "/", "action": "allow", "status_code": 200,
        "duration_ms": 12.5, "remote_addr": "192.0.2.1:1000", "sni": "", "mode": "mitm",
        "request_transforms": [{"name": "allowlist", "action": "continue", "duration_ms": 0.1}],
        "response_transforms": [],
    }  # fmt: skip


@PROTOCOLS
def test_the_level_is_the_severity(kind: Any, environment: Any) -> None:
    lines = [seed_envelope(record_of(outcome)) for outcome in (Rejected(403, "no", "allowlist"), Failed(502, "broken"))]
    with kind() as collector:
        exporter = exporter_of(environment(collector))
        exporter.export(lines)
        exporter.shutdown()

    assert [(each.severity_text, each.severity_number) for each in collector.records()] == [("WARN", 13), ("ERROR", 17)]
    assert attributes_of(collector.records()[0])["rejected_by"] == "allowlist"
    assert attributes_of(collector.records()[1])["error"] == "broken"


@PROTOCOLS
def test_nested_annotations_keep_their_shape(kind: Any, environment: Any) -> None:
    annotations = {"swapped": [{"secret": "GH", "locations": ["header:Authorization"]}], "none": None, "n": 3, "f": 0.5}
    traces = [{"name": "secrets", "action": "continue", "duration_ms": 0.1, "annotations": annotations}]
    with kind() as collector:
        exporter = exporter_of(environment(collector))
        exporter.export([seed_envelope(record_of(request_traces=traces))])
        exporter.shutdown()

    assert attributes_of(collector.records()[0])["request_transforms"] == traces


@PROTOCOLS
def test_headers_service_name_and_resource_are_sent(kind: Any, environment: Any) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer abc,x-team=blue",
        "OTEL_SERVICE_NAME": "egress",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=staging",
    }
    with kind() as collector:
        exporter = exporter_of(environment(collector, **variables))
        exporter.export([LINE])
        exporter.shutdown()

    _, headers, message = collector.requests[0]
    assert (headers["authorization"], headers["x-team"]) == ("Bearer abc", "blue")
    resource = attributes_of(message.resource_logs[0].resource)
    assert (resource["service.name"], resource["deployment.environment"]) == ("egress", "staging")
    assert message.resource_logs[0].scope_logs[0].scope.name == "iron-proxy/audit"


@PROTOCOLS
def test_the_service_is_iron_proxy_unless_named(kind: Any, environment: Any) -> None:
    with kind() as collector:
        exporter = exporter_of(environment(collector))
        exporter.export([LINE])
        exporter.shutdown()

    resource = attributes_of(collector.requests[0][2].resource_logs[0].resource)
    assert resource["service.name"] == "iron-proxy"


def test_over_http_the_endpoint_gets_the_path_and_that_for_logs_is_taken_as_it_is(environment: Any) -> None:
    with HTTPCollector() as collector:
        variables = environment(collector)
        for more in ({}, {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{collector.url}/mine"}):
            exporter = exporter_of(variables | environment(collector, **more))
            exporter.export([LINE])
            exporter.shutdown()

    assert [path for path, _, _ in collector.requests] == ["/v1/logs", "/mine"]


@pytest.mark.parametrize(
    ("kind", "coding"), [(HTTPCollector, "gzip"), (HTTPCollector, "deflate"), (GRPCCollector, "gzip")]
)
def test_what_is_compressed_arrives(kind: Any, coding: str, environment: Any) -> None:
    with kind() as collector:
        exporter = exporter_of(environment(collector, OTEL_EXPORTER_OTLP_COMPRESSION=coding))
        assert exporter.export([LINE])
        exporter.shutdown()

    assert len(collector.records()) == 1
    if kind is HTTPCollector:
        assert collector.requests[0][1]["content-encoding"] == coding


@PROTOCOLS
def test_no_proxy_is_in_between(kind: Any, environment: Any) -> None:
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "https_proxy", "grpc_proxy", "all_proxy"), "http://127.0.0.1:9")
    with kind() as collector:
        exporter = exporter_of(environment(collector, **proxies, no_proxy=""))
        assert exporter.export([LINE])
        exporter.shutdown()


@PROTOCOLS
def test_a_refusal_is_no_success(kind: Any, environment: Any) -> None:
    with kind() as collector:
        collector.status = 403
        exporter = exporter_of(environment(collector))
        assert not exporter.export([LINE])
        exporter.shutdown()


@pytest.mark.slow
@PROTOCOLS
def test_a_collector_that_holds_costs_the_timeout_at_most(kind: Any, environment: Any) -> None:
    with kind() as collector:
        collector.hold = True
        exporter = exporter_of(environment(collector, OTEL_EXPORTER_OTLP_TIMEOUT="200"))
        assert not exporter.export([LINE])
        exporter.shutdown()


@PROTOCOLS
def test_shutting_down_ends_the_wait_for_a_dead_collector(kind: Any, environment: Any) -> None:
    with kind() as collector:
        pass
    exporter = exporter_of(environment(collector))
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(exporter.export([LINE])))
    thread.start()
    exporter.shutdown()
    thread.join(10)

    assert not thread.is_alive()
    assert results in ([False], [])


@PROTOCOLS
def test_a_certificate_that_is_not_there_is_told(kind: Any, environment: Any) -> None:
    with kind() as collector:
        pass
    with pytest.raises(StartupError, match=r"/nowhere.pem: no such file"):
        exporter_of(environment(collector, OTEL_EXPORTER_OTLP_CERTIFICATE="/nowhere.pem"))


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(StartupError, match=r"pip install 'iron-proxy\[otel\]'"):
        exporter_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.test"})


@pytest.mark.slow
def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys, iron_proxy.runtime.serving\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('opentelemetry', 'grpc', 'requests')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
