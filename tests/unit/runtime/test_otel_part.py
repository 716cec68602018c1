"""From the emitter to the collector: everything audited, masked, in order, the last record included."""

import sys
from collections.abc import Sequence

import pytest
from tests.fakes.log_lines import LogLines
from tests.fakes.otlp_collector import HTTPCollector, attributes_of
from tests.unit.audit.records import record_of

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.otlp_queue import ExportQueue
from iron_proxy.audit.record import EventRecord
from iron_proxy.errors import StartupError
from iron_proxy.runtime.last_wall import LastWall
from iron_proxy.runtime.otel_part import build_export, exporting, sink_of
from iron_proxy.secret_sources.known_values import KnownValues


class Taking:
    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def export(self, lines: Sequence[bytes]) -> bool:
        self.lines += lines
        return True

    def shutdown(self) -> None:
        pass


def test_without_an_endpoint_there_is_none() -> None:
    assert build_export({}) is None


def test_what_cannot_be_obeyed_stops_the_start() -> None:
    with pytest.raises(StartupError, match="PROTOCOL"):
        build_export({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.test", "OTEL_EXPORTER_OTLP_PROTOCOL": "udp"})


async def test_without_an_export_nothing_is_subscribed() -> None:
    emitter = AuditEmitter(seed_envelope, lambda data: None)
    with exporting(None, emitter):
        emitter.emit(record_of())


async def test_all_that_is_audited_reaches_the_collector(
    monkeypatch: pytest.MonkeyPatch, process_log: LogLines
) -> None:
    emitter = AuditEmitter(seed_envelope, lambda data: None)
    with HTTPCollector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        export = build_export({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
        with exporting(export, emitter):
            emitter.emit_opening(record_of(request_id="a-1"))
            emitter.emit(record_of(request_id="a-1"))
            emitter.emit(EventRecord(time="2026-01-01T00:00:00.000001Z", level="WARN", event="dns", action="reject"))

    assert [each.body.string_value for each in collector.records()] == ["request", "request", "event"]
    assert attributes_of(collector.records()[2])["event"] == "dns"
    assert process_log.said("OTEL audit export enabled")["protocol"] == "http/protobuf"
    assert export is not None
    assert export.condition == (3, 0, 0, 0)


async def test_a_request_does_not_wait_long_for_the_thread_that_encodes() -> None:
    before = sys.getswitchinterval()
    with exporting(ExportQueue(Taking()), AuditEmitter(seed_envelope, lambda data: None)):
        assert sys.getswitchinterval() < before / 5

    assert sys.getswitchinterval() == pytest.approx(before)


def test_a_known_secret_is_masked() -> None:
    class Owner:
        pass

    owner, known, taking = Owner(), KnownValues(), Taking()
    known.add(owner, "TOKEN", "real-secret-0815")
    queue = ExportQueue(taking)
    sink_of(queue, LastWall(known))(record_of(path="/x?real-secret-0815"))
    queue.start(lambda tell: tell())
    queue.close()

    assert b"[masked:TOKEN]" in taking.lines[0]
    assert b"0815" not in taking.lines[0]
