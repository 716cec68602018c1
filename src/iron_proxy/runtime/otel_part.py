"""
Environment → the export of audit records by OTLP, where it asks for one. Called by `serving.py`.

The last wall stands before the queue, as it does before the log: what a collector gets is masked in the same way.
"""

import asyncio
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from iron_proxy.audit.emitter import AuditEmitter, Sink
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.otlp_exporter import OTLPExporter
from iron_proxy.audit.otlp_queue import ExportQueue
from iron_proxy.audit.otlp_settings import read_otlp_settings
from iron_proxy.runtime.last_wall import LAST_WALL, LastWall
from iron_proxy.runtime.process_log import report

# Python's 5 ms are what a request would wait for a thread that encodes a batch; switches cost only while it does.
_SWITCH_SECONDS: Final = 0.0005


def build_export(environment: Mapping[str, str]) -> ExportQueue | None:
    """The queue of an export, to be started; None where none is asked for. Raises StartupError."""
    settings = read_otlp_settings(environment)
    if settings is None:
        return None
    queue = ExportQueue(
        OTLPExporter(settings, environment),
        max_size=settings.max_queue_size,
        batch_size=settings.max_batch_size,
        delay=settings.schedule_delay,
    )
    report(logging.INFO, "OTEL audit export enabled", protocol=settings.protocol)
    return queue


@contextmanager
def exporting(queue: ExportQueue | None, audit: AuditEmitter) -> Iterator[None]:
    """Inside the loop, around all that is audited: the export runs, and is given what is left at the end."""
    if queue is None:
        yield
        return
    former = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    queue.start(asyncio.get_running_loop().call_soon_threadsafe)
    unsubscribe = audit.subscribe(sink_of(queue), openings=True)
    try:
        yield
    finally:
        unsubscribe()                        # which gives it what the emitter still holds
        queue.close()
        sys.setswitchinterval(former)


def sink_of(queue: ExportQueue, wall: LastWall = LAST_WALL) -> Sink:
    """What to subscribe at the emitter. A line is always of the seed's schema, whatever `log.audit_schema` is."""
    put = wall.before(queue.put)
    return lambda record: put(seed_envelope(record))
