"""All exports are closed together: a stop has no more time for three than for one."""

from collections.abc import Sequence
from typing import cast

from tests.unit.management.test_metrics_export import Page, Recorder, at_once

from iron_proxy.audit.otlp_queue import ExportQueue
from iron_proxy.management.metrics_export import MetricsExport
from iron_proxy.runtime.exports import Exports


def test_without_any_there_is_nothing_to_close() -> None:
    exports = Exports()
    exports.close()

    assert not any(exports)
    assert exports.conditions == {}


def test_each_sends_what_is_left() -> None:
    taken = [Recorder() for _ in range(3)]
    for each in taken[:2]:
        each.takes = True
    logs, traces = (ExportQueue(_Lines(each), delay=60.0) for each in taken[:2])
    exports = Exports(logs, traces, MetricsExport(taken[2], interval=60.0))
    logs.start(at_once)
    traces.start(at_once)
    assert exports.metrics is not None
    exports.metrics.start(at_once, Page().read)
    logs.put(b"a")
    traces.put(b"b")
    exports.close()

    assert [each.sent for each in taken] == [[[b"a"]], [[b"b"]], [[1]]]
    assert exports.conditions == {"logs": (1, 0, 0, 0), "traces": (1, 0, 0, 0), "metrics": (1, 0, 0, 0)}


def test_collectors_that_hold_share_the_time_there_is() -> None:
    now = 100.0
    calls: list[tuple[str, float]] = []

    class Holding:
        """An export that takes all the time it is given, and a bit more."""

        def ask_to_end(self) -> None:
            calls.append(("ask", 0.0))

        def close(self, seconds: float) -> None:
            nonlocal now
            calls.append(("close", seconds))
            now += seconds + 0.5

    first, second = (cast(ExportQueue, Holding()) for _ in range(2))
    Exports(first, second).close(3.0, lambda: now)

    assert calls == [("ask", 0.0), ("ask", 0.0), ("close", 3.0), ("close", 0.0)]


class _Lines:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def export(self, lines: Sequence[bytes]) -> bool:
        return self._recorder.export(lines, 0)

    def shutdown(self) -> None:
        self._recorder.shutdown()
