"""
The one place that writes audit records: collected during a turn of the loop, written in one piece at its end.

Where they go and what happens when that takes nothing is `trail.py`'s business; a plain `write` serves too, whose
failures are counted and reported once it takes bytes again. Whoever else wants the records subscribes. `log.level` does
not filter audit.
"""

import asyncio
import logging
import os
import select
from collections.abc import Callable, Iterable
from typing import NamedTuple

from iron_proxy.audit.envelopes import Envelope
from iron_proxy.audit.record import Record, RequestRecord
from iron_proxy.audit.trail import Trail, loss_record

Write = Callable[[bytes], None]
# Is given each record, in order, in the loop's thread; must neither change it nor wait.
Sink = Callable[[Record], None]

# A turn of the loop rarely makes more than a few records; a burst is cut so that one write stays short.
_MAX_BATCH = 256
_MAX_BATCH_BYTES = 256 * 1024

_log = logging.getLogger("iron_proxy.audit")


class Condition(NamedTuple):
    """How the log stands, for metrics and status pages. All but the last two count from the start."""

    emitted: int                     # records made, opening ones included
    lost: int                        # lines that an output found no room for, for each output
    refused: int                     # requests that were refused because nothing could be written (strict)
    queued_bytes: int                # waiting for a reader or a disk
    is_stalled: bool                 # an output has taken nothing for seconds


class AuditEmitter:
    """
    Encodes records by an envelope and hands whole lines to `write`.

    With a `trail`, `write` ends in it. `sinks` are subscribed from the beginning.
    """

    def __init__(
        self, envelope: Envelope, write: Write, sinks: Iterable[Sink] = (), trail: Trail | None = None
    ) -> None:
        self._envelope = envelope
        self._write = write
        self._sinks = tuple(sinks)
        self._opening_sinks: tuple[Sink, ...] = ()
        self._trail = trail
        self._pending: list[Record] = []
        self._lines: list[bytes] = []              # of what came before those
        self._size = 0                             # of the lines
        self._scheduled = False
        self.is_strict = trail is not None and trail.is_strict
        self.must_wait = False                     # new traffic has to ask for `room` first
        self._emitted = 0
        self.lost = 0                              # not told yet

    # --- records ----------------------------------------------------------------------------------------------------

    def emit(self, record: Record) -> None:
        """
        Take one record, which nobody changes any more. It is written, and given on, before the loop turns again.

        Not at once: for all records of a turn together that costs half of what it costs one by one in between.
        """
        self._pending.append(record)
        if not self._scheduled:
            self._schedule()
        elif len(self._pending) >= _MAX_BATCH:
            self.flush()

    def emit_opening(self, record: RequestRecord) -> None:
        """Take the first of two records of something that goes on; the second one comes through `emit`."""
        self._settle()
        self._take(record)                         # now: what it shares with the other one may still change
        for sink in self._opening_sinks:
            _give(sink, (record,))
        if not self._scheduled:
            self._schedule()

    def flush(self) -> None:
        """Write what has been collected. Called at the end of a turn, and last at shutdown."""
        self._scheduled = False
        self._settle()
        if self._lines or self.lost:
            self._write_lines()
        if self._trail is not None:
            self.must_wait = self._trail.must_wait

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self.flush)

    def _settle(self) -> None:
        """Encode the records that are here, and give them to those that want them."""
        records, self._pending = self._pending, []
        for record in records:
            self._take(record)
        for sink in self._sinks:
            _give(sink, records)

    def _take(self, record: Record) -> None:
        line = self._envelope(record)
        self._lines.append(line)
        self._size += len(line)
        self._emitted += 1
        if self._size > _MAX_BATCH_BYTES:
            self._write_lines()

    def _write_lines(self) -> None:
        lines, self._lines, self._size = self._lines, [], 0
        report = loss_record(self.lost) if self.lost else None
        try:
            self._write(b"".join(lines) if report is None else self._envelope(report) + b"".join(lines))
        except OSError:
            self.lost += len(lines)
            return
        if report is not None:
            self.lost = 0
            for sink in self._sinks:
                _give(sink, (report,))

    async def pass_on(self, lines: bytes) -> None:
        """
        Write whole lines that another process of ours has made, as the own ones.

        Returns once there is room for more; in strict mode once they are written, however long that takes.
        """
        self._emitted += lines.count(b"\n")
        trail = self._trail
        if trail is None:
            self._write(lines)
        elif self.is_strict:
            await trail.write_for_certain(lines)
        else:
            trail.write(lines)
            await trail.room()

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, inside the loop: from now on no output makes it wait."""
        if self._trail is not None:
            self._trail.attach(asyncio.get_running_loop())

    def close(self) -> None:
        """Write what is left, as far as the readers let us. The last thing of all."""
        self.flush()
        unwritten = 0 if self._trail is None else self._trail.close()
        if unwritten:
            _log.error("audit records could not be written", extra={"fields": {"count": unwritten}})

    # --- what others need -------------------------------------------------------------------------------------------

    @property
    def emitted(self) -> int:
        """How many records there have been."""
        return self._emitted + len(self._pending)

    def subscribe(self, sink: Sink, *, openings: bool = False) -> Callable[[], None]:
        """
        Give every record from now on to a sink as well; returns what ends that.

        Of what leaves two records the sink is given the closing one, with `openings` both.
        """
        self._settle()                             # for the others
        self._sinks += (sink,)
        if openings:
            self._opening_sinks += (sink,)

        def unsubscribe() -> None:
            self._settle()
            self._sinks = tuple(each for each in self._sinks if each is not sink)
            self._opening_sinks = tuple(each for each in self._opening_sinks if each is not sink)

        return unsubscribe

    async def room(self) -> None:
        """
        Wait, before anything new is done, until the log keeps up again. Only while `must_wait`.

        Raises AuditUnavailable when nothing may be done (strict).
        """
        if self._trail is not None:
            try:
                await self._trail.room()
            finally:
                self.must_wait = self._trail.must_wait

    async def written(self) -> None:
        """Wait until all records so far are written; for strict mode. Raises AuditUnavailable when they cannot be."""
        self.flush()
        if self._trail is not None:
            await self._trail.written()

    @property
    def condition(self) -> Condition:
        """How the log stands."""
        trail = self._trail
        if trail is None:
            return Condition(self.emitted, self.lost, 0, 0, False)
        outlets = [branch.outlet for branch in trail.branches]
        return Condition(
            self.emitted,
            sum(branch.lost_total for branch in trail.branches),
            trail.refused,
            sum(outlet.queued for outlet in outlets),
            any(outlet.is_stalled for outlet in outlets),
        )


def _give(sink: Sink, records: Iterable[Record]) -> None:
    for record in records:
        try:
            sink(record)
        except Exception as error:  # noqa: BLE001 - whoever listens must not cost a request its answer
            _log.error("audit subscriber failed", extra={"fields": {"error": type(error).__name__}})


def write_to(descriptor: int) -> Write:
    """A writer of whole lines to a file descriptor, through short writes. It waits for the reader."""
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
