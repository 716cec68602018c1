"""
Environment → the export by OTLP of audit records, spans and metrics, where it asks for one. Called by `serving.py`.

The last wall stands before the queues, as it does before the log: what a collector gets is masked in the same way.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from iron_proxy.audit.emitter import Sink
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.otlp_exporter import OTLPExporter
from iron_proxy.audit.otlp_queue import Exporter, ExportQueue
from iron_proxy.audit.otlp_settings import OTLPSettings, Signal, read_otlp_settings
from iron_proxy.audit.otlp_spans import OTLPSpanExporter
from iron_proxy.audit.record import Record, RequestRecord
from iron_proxy.management.metrics_export import MetricsExport
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.exports import Exports
from iron_proxy.runtime.last_wall import LAST_WALL, LastWall
from iron_proxy.runtime.process_log import report

# Python's 5 ms are what a request would wait for a thread that encodes a batch; switches cost only while it does.
_SWITCH_SECONDS: Final = 0.0005


def build_exports(environment: Mapping[str, str]) -> Exports:
    """Those that are asked for, to be started. Raises StartupError."""
    logs, traces, metrics = (
        read_otlp_settings(environment, signal) for signal in (Signal.LOGS, Signal.TRACES, Signal.METRICS)
    )
    return Exports(
        None if logs is None else _log_queue(logs, environment, names_spans=traces is not None),
        None if traces is None else _span_queue(traces, environment),
        None if metrics is None else _metrics_export(metrics, environment),
    )


def _log_queue(settings: OTLPSettings, environment: Mapping[str, str], *, names_spans: bool) -> ExportQueue:
    queue = _queue(OTLPExporter(settings, environment, names_spans=names_spans), settings, "audit records")
    report(logging.INFO, "OTEL audit export enabled", protocol=settings.protocol)
    return queue


def _span_queue(settings: OTLPSettings, environment: Mapping[str, str]) -> ExportQueue:
    queue = _queue(OTLPSpanExporter(settings, environment), settings, "spans")
    report(logging.INFO, "OTEL trace export enabled", protocol=settings.protocol)
    return queue


def _metrics_export(settings: OTLPSettings, environment: Mapping[str, str]) -> MetricsExport:
    from iron_proxy.management.otlp_metrics import OTLPMetricExporter  # brings prometheus_client along

    export = MetricsExport(OTLPMetricExporter(settings, environment), settings.schedule_delay)
    report(logging.INFO, "OTEL metric export enabled", protocol=settings.protocol)
    return export


def _queue(exporter: Exporter, settings: OTLPSettings, what: str) -> ExportQueue:
    return ExportQueue(
        exporter,
        max_size=settings.max_queue_size,
        batch_size=settings.max_batch_size,
        delay=settings.schedule_delay,
        what=what,
    )


@contextmanager
def exporting(assembly: Assembly) -> Iterator[None]:
    """Inside the loop, around all that is audited: its exports run, and are given what is left at the end."""
    exports = assembly.exports
    if not any(exports):
        yield
        return
    former = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    unsubscribe = _start(exports, assembly)
    try:
        yield
    finally:
        for end in unsubscribe:                  # which gives them what the emitter still holds
            end()
        exports.close()
        sys.setswitchinterval(former)


def _start(exports: Exports, assembly: Assembly) -> list[Callable[[], None]]:
    """What ends the subscriptions."""
    audit, call = assembly.services.audit, asyncio.get_running_loop().call_soon_threadsafe
    ends = []
    if exports.logs is not None:
        exports.logs.start(call)
        ends.append(audit.subscribe(sink_of(exports.logs), openings=True))
    if exports.traces is not None:
        exports.traces.start(call)
        ends.append(audit.subscribe(span_sink_of(exports.traces)))
    if exports.metrics is not None:
        from iron_proxy.runtime.metrics_part import metrics_page  # heavy, as for the page itself

        exports.metrics.start(call, metrics_page(assembly).families)
    return ends


def sink_of(queue: ExportQueue, wall: LastWall = LAST_WALL) -> Sink:
    """What to subscribe at the emitter. A line is always of the seed's schema, whatever `log.audit_schema` is."""
    put = wall.before(queue.put)
    return lambda record: put(seed_envelope(record))


def span_sink_of(queue: ExportQueue, wall: LastWall = LAST_WALL) -> Sink:
    """The same for spans, which only requests have, once they have ended."""
    put = wall.before(queue.put)

    def take(record: Record) -> None:
        if type(record) is RequestRecord:
            put(seed_envelope(record))

    return take
