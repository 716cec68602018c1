"""
Between the loop and a collector: a bounded queue of lines, and the thread that exports them in batches.

Putting a line in costs less than a microsecond and never waits. Where the collector is slow, dead or refuses, the
oldest lines go, are counted, and told once in a while; the log itself has them all. `close` is called after the last
record, and gives what is left some seconds. Used by `runtime/otel_part.py`.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

# Lines may hold captured bodies: the number of records alone is no bound for memory.
MAX_QUEUED_BYTES: Final = 16 * 1024 * 1024
# A drain of ten seconds may have gone before it, and service managers lose patience.
CLOSE_SECONDS: Final = 3.0
# For a thread whose exporter was shut down to come back. It is a daemon: one that does not come back dies with us.
_LAST_SECONDS: Final = 0.5
# A collector that is away is one piece of news, however many records it costs.
_TOLD_EVERY: Final = 60.0

_log = logging.getLogger("iron_proxy.otel")


class Exporter(Protocol):
    """See `otlp_exporter.py`."""

    def export(self, lines: Sequence[bytes]) -> bool:
        """Send; whether it was taken."""
        ...

    def shutdown(self) -> None:
        """Give up what is being sent."""
        ...


class ExportCondition(NamedTuple):
    """How the export stands; lines. `queued` is now, the others count from the start."""

    exported: int
    dropped: int                     # there was no room, or no time at the end
    failed: int                      # the collector did not take them
    queued: int


class ExportQueue:
    """`start`, `put`, `close`. Sizes in lines, delay in seconds."""

    def __init__(
        self,
        exporter: Exporter,
        *,
        max_size: int = 2048,
        batch_size: int = 512,
        delay: float = 1.0,
        what: str = "audit records",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exporter = exporter
        self._max_size, self._batch_size, self._delay = max_size, min(batch_size, max_size), delay
        self._what = what                          # is exported, for whoever reads the process log
        self._clock = clock
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._lock = threading.Lock()              # around the two above and the counters; never while waiting
        self._wake = threading.Event()
        self._stopping = False
        self._is_abandoned = False
        self._exported = self._dropped = self._failed = 0
        self._told = 0                             # losses that the process log knows of
        self._told_at = -_TOLD_EVERY
        self._trouble = ""                         # the type of the last exception
        self._tell_in: Callable[[Callable[[], None]], object] = lambda tell: tell()
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)

    def start(self, call: Callable[[Callable[[], None]], object]) -> None:
        """Begin to export. Losses are told through `call`: the process log belongs to the loop's thread."""
        self._tell_in = call
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Take one line. Never waits, never fails."""
        with self._lock:
            self._lines.append(line)
            self._bytes += len(line)
            while len(self._lines) > self._max_size or self._bytes > MAX_QUEUED_BYTES:
                self._bytes -= len(self._lines.popleft())
                self._dropped += 1
            is_batch = len(self._lines) >= self._batch_size
        if is_batch and not self._wake.is_set():
            self._wake.set()

    @property
    def condition(self) -> ExportCondition:
        """How it stands."""
        with self._lock:
            return ExportCondition(self._exported, self._dropped, self._failed, len(self._lines))

    def ask_to_end(self) -> None:
        """Begin what `close` waits for."""
        self._stopping = True
        self._wake.set()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Export what is left, as far as the collector takes it in time. Waits; the last thing of all."""
        self.ask_to_end()
        self._thread.join(seconds)
        self._is_abandoned = True
        self._exporter.shutdown()
        self._thread.join(_LAST_SECONDS)
        with self._lock:
            self._dropped += len(self._lines)
            self._lines.clear()
        self._tell(at_once=True)

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._delay)
            self._wake.clear()
            self._export_batches()
        self._export_batches()

    def _export_batches(self) -> None:
        while not self._is_abandoned and (batch := self._next_batch()):
            taken = self._export(batch)
            with self._lock:
                self._exported += len(batch) if taken else 0
                self._failed += 0 if taken else len(batch)
            if not taken:
                self._tell_later()
            if len(self._lines) < self._batch_size and not self._stopping:
                return                             # what has come meanwhile may wait for more

    def _next_batch(self) -> list[bytes]:
        with self._lock:
            batch = [self._lines.popleft() for _ in range(min(self._batch_size, len(self._lines)))]
            self._bytes -= sum(map(len, batch))
        return batch

    def _export(self, batch: list[bytes]) -> bool:
        try:
            return self._exporter.export(batch)
        except Exception as error:  # noqa: BLE001 - a bug of the SDK, or a line it cannot take, must not end the export
            self._trouble = type(error).__name__   # the text may quote what was sent
            return False

    def _tell_later(self) -> None:
        try:
            self._tell_in(self._tell)
        except RuntimeError:                       # the loop has ended; `close` tells
            pass

    # --- losses -----------------------------------------------------------------------------------------------------

    def _tell(self, *, at_once: bool = False) -> None:
        lost, now = self._dropped + self._failed, self._clock()
        if lost > self._told and (at_once or now - self._told_at >= _TOLD_EVERY):
            fields = {"count": lost - self._told, "dropped": self._dropped, "failed": self._failed}
            self._told, self._told_at = lost, now
            _log.warning(
                f"{self._what} were not exported by OTLP",
                extra={"fields": fields | ({"error": self._trouble} if self._trouble else {})},
            )
