"""
Between the loop and a collector: what `/metrics` shows is read once in a while in the loop, and sent by a thread.

Nothing is queued: numbers that could not be sent are in the next ones. A collector that is slow, dead or refuses costs
the loop nothing; what it did not take is counted, and told once in a while. `close` sends the last numbers, and gives
that some seconds. Used by `runtime/otel_part.py`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Protocol

from iron_proxy.audit.otlp_queue import CLOSE_SECONDS, ExportCondition

if TYPE_CHECKING:
    from prometheus_client.core import Metric  # where nothing is exported it is not loaded

Read = Callable[[], "Iterable[Metric]"]
Call = Callable[[Callable[[], None]], object]

# A loop that does not turn for so long has other trouble; the next numbers tell of it.
READ_SECONDS: Final = 5.0
_LAST_SECONDS: Final = 0.5
# A collector that is away is one piece of news.
_TOLD_EVERY: Final = 60.0

_log = logging.getLogger("iron_proxy.otel")


class Exporter(Protocol):
    """See `otlp_metrics.py`."""

    def export(self, families: "Iterable[Metric]", at: int) -> bool:
        """Send; whether it was taken."""
        ...

    def shutdown(self) -> None:
        """Give up what is being sent."""
        ...


class MetricsExport:
    """`start` with what reads the numbers, `close`. `interval` is in seconds."""

    def __init__(self, exporter: Exporter, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._exporter = exporter
        self._interval = interval
        self._clock = clock
        self._stop = threading.Event()
        self._last: tuple[list[Metric], int] | None = None     # read by `close`
        self._exported = self._skipped = self._failed = 0
        self._told = 0
        self._told_at = -_TOLD_EVERY
        self._trouble = ""                                      # the type of the last exception
        self._thread = threading.Thread(target=self._run, name="otlp metrics", daemon=True)

    def start(self, call: Call, read: Read) -> None:
        """Begin. `read` is called in the loop's thread, through `call`, and by `close`."""
        self._call, self._read = call, read
        self._thread.start()

    @property
    def condition(self) -> ExportCondition:
        """How often it was sent, could not be read in time, was not taken."""
        return ExportCondition(self._exported, self._skipped, self._failed, 0)

    def ask_to_end(self) -> None:
        """Begin what `close` waits for: send the last numbers, which are read here, in the loop's thread."""
        if self._stop.is_set():
            return
        try:
            self._last = self._numbers()
        except Exception as error:  # noqa: BLE001 - a bug in what reads them must not cost the stop what comes after
            self._trouble = type(error).__name__
            self._skipped += 1
        self._stop.set()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """End, as far as the collector takes the last numbers in time. In the loop's thread; waits."""
        self.ask_to_end()
        self._thread.join(seconds)
        self._exporter.shutdown()
        self._thread.join(_LAST_SECONDS)
        self._tell(at_once=True)

    def _numbers(self) -> "tuple[list[Metric], int]":
        return list(self._read()), time.time_ns()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            numbers = self._numbers_of_the_loop()
            if numbers is None:
                self._skipped += not self._stop.is_set()
            else:
                self._export(*numbers)
        if self._last is not None:
            self._export(*self._last)

    def _numbers_of_the_loop(self) -> "tuple[list[Metric], int] | None":
        """None where it does not turn, or has ended."""
        numbers: Future[tuple[list[Metric], int]] = Future()

        def read() -> None:
            try:
                numbers.set_result(self._numbers())
            except Exception as error:  # noqa: BLE001 - it is the thread's to tell, and must not stay unanswered
                numbers.set_exception(error)

        try:
            self._call(read)
            return self._awaited(numbers)
        except Exception as error:  # noqa: BLE001 - a bug in what reads them must not end the export
            self._trouble = type(error).__name__
            return None

    def _awaited(self, numbers: "Future[tuple[list[Metric], int]]") -> "tuple[list[Metric], int] | None":
        deadline = self._clock() + READ_SECONDS
        while not self._stop.is_set() and self._clock() < deadline:
            try:
                return numbers.result(0.05)
            except TimeoutError:
                if numbers.done():
                    raise
        return None

    def _export(self, families: "list[Metric]", at: int) -> None:
        try:
            taken = self._exporter.export(families, at)
        except Exception as error:  # noqa: BLE001 - a bug of the SDK must not end the export
            self._trouble, taken = type(error).__name__, False
        if taken:
            self._exported += 1
            return
        self._failed += 1
        try:
            self._call(self._tell)
        except RuntimeError:                       # the loop has ended; `close` tells
            pass

    # --- losses -----------------------------------------------------------------------------------------------------

    def _tell(self, *, at_once: bool = False) -> None:
        lost, now = self._skipped + self._failed, self._clock()
        if lost > self._told and (at_once or now - self._told_at >= _TOLD_EVERY):
            fields = {"count": lost - self._told, "dropped": self._skipped, "failed": self._failed}
            self._told, self._told_at = lost, now
            _log.warning(
                "metrics were not exported by OTLP",
                extra={"fields": fields | ({"error": self._trouble} if self._trouble else {})},
            )
