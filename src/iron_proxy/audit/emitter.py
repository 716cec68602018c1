"""
The one place that writes audit records: collected during a turn of the loop, written in one piece at its end.

A full pipe makes the proxy wait (the reader decides the speed; nothing is dropped). A destination that fails is
counted and reported once it takes bytes again. `log.level` does not filter audit.
"""

import asyncio
import os
import select
from collections.abc import Callable

from iron_proxy.audit.envelopes import Envelope
from iron_proxy.audit.record import EventRecord, Record, timestamp

Write = Callable[[bytes], None]

# A turn of the loop rarely makes more than a few records; a burst is cut so that one write stays short.
_MAX_BATCH_BYTES = 256 * 1024


class AuditEmitter:
    """Encodes records by an envelope and hands whole lines to `write`."""

    def __init__(self, envelope: Envelope, write: Write, sinks: tuple[Callable[[Record], None], ...] = ()) -> None:
        self._envelope = envelope
        self._write = write
        self._sinks = sinks
        self._lines: list[bytes] = []
        self._size = 0
        self._scheduled = False
        self.emitted = 0
        self.lost = 0

    def emit(self, record: Record) -> None:
        """Take one record; it is written before the loop turns again."""
        line = self._envelope(record)
        self._lines.append(line)
        self._size += len(line)
        self.emitted += 1
        for sink in self._sinks:
            sink(record)
        if self._size > _MAX_BATCH_BYTES:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write what has been collected. Called at the end of a turn, and last at shutdown."""
        self._scheduled = False
        lines, self._lines, self._size = self._lines, [], 0
        if not lines and not self.lost:
            return
        report = _loss_record(self.lost) if self.lost else None
        try:
            self._write(b"".join(lines) if report is None else self._envelope(report) + b"".join(lines))
        except OSError:
            self.lost += len(lines)
            return
        if report is not None:
            self.lost = 0
            for sink in self._sinks:
                sink(report)


def _loss_record(lost: int) -> EventRecord:
    reason = f"{lost} audit records could not be written"
    return EventRecord(time=timestamp(), level="ERROR", event="audit", action="lost", reason=reason)


def write_to(descriptor: int) -> Write:
    """A writer of whole lines to a file descriptor, through short writes."""
    is_torn = False

    def write(data: bytes) -> None:
        nonlocal is_torn
        if is_torn:                          # what a failure cut off stays on a line of its own
            data = b"\n" + data
        view, written = memoryview(data), 0
        try:
            while written < len(data):
                written += _write_some(descriptor, view[written:])
        finally:
            if written:
                is_torn = data[written - 1 : written] != b"\n"

    return write


def _write_some(descriptor: int, data: memoryview) -> int:
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:              # another owner of the same pipe made it non-blocking: wait all the same
            room = select.poll()
            room.register(descriptor, select.POLLOUT)
            room.poll()
