"""From the emitter to the collector: everything audited, masked, in order, the last record included."""

import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.fakes.log_lines import LogLines
from tests.fakes.otlp_collector import HTTPCollector, ask_for, attributes_of
from tests.unit.audit.records import record_of
from tests.unit.runtime.assembled import HTTP_ONLY, assembled, close

from iron_proxy.audit.otlp_queue import ExportQueue
from iron_proxy.audit.record import EventRecord
from iron_proxy.errors import StartupError
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.exports import Exports
from iron_proxy.runtime.last_wall import LastWall
from iron_proxy.runtime.otel_part import build_exports, exporting, sink_of, span_sink_of
from iron_proxy.secret_sources.known_values import KnownValues


class Taking:
    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def export(self, lines: Sequence[bytes]) -> bool:
        self.lines += lines
        return True

    def shutdown(self) -> None:
        pass


@pytest.fixture
async def assembly() -> AsyncIterator[Assembly]:
    """One that is audited and never served."""
    assembly = assembled(HTTP_ONLY)
    yield assembly
    close(assembly)


def test_nothing_is_exported_that_is_not_asked_for() -> None:
    assert not any(build_exports({}))
    assert not any(build_exports({"OTEL_SERVICE_NAME": "x", "OTEL_PROPAGATORS": "b3"}))


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_EXPORTER_OTLP_PROTOCOL", "udp"), ("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_METRICS_EXPORTER", "console")],
)
def test_what_cannot_be_obeyed_stops_the_start(variable: str, value: str) -> None:
    with pytest.raises(StartupError, match=variable):
        build_exports({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.test", variable: value})


async def test_without_an_export_nothing_is_subscribed(assembly: Assembly) -> None:
    before = assembly.services.audit._sinks
    with exporting(assembly):
        assert assembly.services.audit._sinks == before


async def test_all_that_is_audited_reaches_the_collector(
    assembly: Assembly, monkeypatch: pytest.MonkeyPatch, process_log: LogLines
) -> None:
    emitter = assembly.services.audit
    with HTTPCollector() as collector:
        assembly.exports = build_exports(ask_for(monkeypatch, collector))
        with exporting(assembly):
            emitter.emit_opening(record_of(request_id="a-1"))
            emitter.emit(record_of(request_id="a-1"))
            emitter.emit(EventRecord(time="2026-01-01T00:00:00.000001Z", level="WARN", event="dns", action="reject"))

    assert [each.body.string_value for each in collector.records()] == ["request", "request", "event"]
    assert attributes_of(collector.records()[2])["event"] == "dns"
    assert process_log.said("OTEL audit export enabled")["protocol"] == "http/protobuf"
    assert assembly.exports.conditions == {"logs": (3, 0, 0, 0)}
    assert (collector.spans(), collector.metrics()) == ([], [])


async def test_requests_that_have_ended_become_spans_and_the_last_is_in_the_metrics(
    assembly: Assembly, monkeypatch: pytest.MonkeyPatch, process_log: LogLines
) -> None:
    emitter = assembly.services.audit
    with HTTPCollector() as collector:
        assembly.exports = build_exports(
            ask_for(
                monkeypatch, collector,
                OTEL_LOGS_EXPORTER="none", OTEL_TRACES_EXPORTER="otlp", OTEL_METRICS_EXPORTER="otlp",
            )
        )  # fmt: skip
        emitter.subscribe(assembly.request_metrics.take)
        with exporting(assembly):
            emitter.emit_opening(record_of(request_id="a-1"))
            emitter.emit(record_of(request_id="a-1"))
            emitter.emit(EventRecord(time="2026-01-01T00:00:00.000001Z", level="WARN", event="dns", action="reject"))

    [span] = collector.spans()
    [metrics] = collector.metrics()
    assert attributes_of(span)["iron_proxy.request_id"] == "a-1"
    assert [point.as_int for point in metrics["iron_proxy_requests"].sum.data_points] == [1]
    assert collector.records() == []
    assert process_log.said("OTEL trace export enabled")["protocol"] == "http/protobuf"
    assert process_log.said("OTEL metric export enabled")["protocol"] == "http/protobuf"
    assert assembly.exports.conditions == {"traces": (1, 0, 0, 0), "metrics": (1, 0, 0, 0)}


async def test_a_request_does_not_wait_long_for_the_thread_that_encodes(assembly: Assembly) -> None:
    before = sys.getswitchinterval()
    assembly.exports = Exports(ExportQueue(Taking()))
    with exporting(assembly):
        assert sys.getswitchinterval() < before / 5

    assert sys.getswitchinterval() == pytest.approx(before)


@pytest.mark.parametrize("sink", [sink_of, span_sink_of])
def test_a_known_secret_is_masked(sink: Any) -> None:
    class Owner:
        pass

    owner, known, taking = Owner(), KnownValues(), Taking()
    known.add(owner, "TOKEN", "real-secret-0815")
    queue = ExportQueue(taking)
    sink(queue, LastWall(known))(record_of(path="/x?real-secret-0815"))
    queue.start(lambda tell: tell())
    queue.close()

    assert b"[masked:TOKEN]" in taking.lines[0]
    assert b"0815" not in taking.lines[0]
