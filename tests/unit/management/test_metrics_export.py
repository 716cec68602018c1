"""The export of metrics: read in the loop, sent by a thread; nothing waits for a collector, and losses are told."""

import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

import pytest
from tests.fakes.log_lines import LogLines

from iron_proxy.management import metrics_export
from iron_proxy.management.metrics_export import MetricsExport


class Recorder:
    """An exporter that takes, refuses, fails or holds."""

    def __init__(self) -> None:
        self.takes = True
        self.error: Exception | None = None
        self.sent: list[list[Any]] = []
        self.arrived = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.shut_down = False

    def export(self, families: Iterable[Any], at: int) -> bool:
        self.sent.append(list(families))
        self.arrived.release()
        self.may_go_on.wait(10)
        if self.error is not None:
            raise self.error
        return self.takes

    def shutdown(self) -> None:
        self.shut_down = True
        self.may_go_on.set()


class Page:
    """Numbers that go up each time they are read."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self) -> list[Any]:
        self.reads += 1
        return [self.reads]


def at_once(call: Callable[[], None]) -> None:
    call()


def never(call: Callable[[], None]) -> None:
    pass


def loop_has_ended(call: Callable[[], None]) -> None:
    raise RuntimeError("Event loop is closed")


def told_last(process_log: LogLines) -> dict[str, Any]:
    """The last line about losses."""
    return [line for line in process_log.lines if line["msg"] == "metrics were not exported by OTLP"][-1]


@pytest.fixture
def exporter() -> Recorder:
    return Recorder()


def test_the_last_numbers_are_sent_at_the_end(exporter: Recorder) -> None:
    export = MetricsExport(exporter, interval=60.0)
    export.start(at_once, Page().read)
    export.close()

    assert exporter.sent == [[1]]
    assert export.condition == (1, 0, 0, 0)
    assert exporter.shut_down


def test_they_are_sent_once_an_interval(exporter: Recorder) -> None:
    export = MetricsExport(exporter, interval=0.001)
    export.start(at_once, Page().read)
    for _ in range(3):
        assert exporter.arrived.acquire(timeout=10)
    export.close()

    assert exporter.sent[:3] == [[1], [2], [3]]


def test_numbers_that_could_not_be_sent_are_in_the_next_ones(exporter: Recorder, process_log: LogLines) -> None:
    exporter.takes = False
    export = MetricsExport(exporter, interval=0.001)
    export.start(at_once, Page().read)
    assert exporter.arrived.acquire(timeout=10)
    exporter.takes = True
    for _ in range(2):
        assert exporter.arrived.acquire(timeout=10)
    export.close()

    assert export.condition.failed >= 1
    assert export.condition.exported >= 1
    assert told_last(process_log)["failed"] >= 1


def test_a_collector_that_holds_costs_the_end_no_more_than_its_time(exporter: Recorder, process_log: LogLines) -> None:
    exporter.may_go_on.clear()
    exporter.takes = False
    export = MetricsExport(exporter, interval=0.001)
    page = Page()
    export.start(at_once, page.read)
    assert exporter.arrived.acquire(timeout=10)
    reads = page.reads
    export.close(0.01)

    assert exporter.shut_down
    assert page.reads == reads + 1
    assert told_last(process_log)["failed"] >= 1


def test_a_loop_that_does_not_turn_is_not_waited_for_for_ever(
    exporter: Recorder, process_log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_export, "READ_SECONDS", 0.0)
    asked = threading.Event()
    export = MetricsExport(exporter, interval=0.001)
    export.start(lambda call: asked.set(), Page().read)
    assert asked.wait(10)
    deadline = monotonic() + 10
    while not export.condition.dropped:
        assert monotonic() < deadline
    export.close()

    assert exporter.sent == [[1]]
    assert told_last(process_log)["dropped"] >= 1


@pytest.mark.parametrize("call", [never, loop_has_ended])
def test_the_end_does_not_wait_for_a_loop_that_has_ended(exporter: Recorder, call: Any) -> None:
    export = MetricsExport(exporter, interval=0.001)
    export.start(call, Page().read)
    export.close()

    assert exporter.sent == [[1]]


@pytest.mark.parametrize("broken", ["the page", "the exporter"])
def test_a_bug_ends_nothing_and_its_type_is_told(exporter: Recorder, process_log: LogLines, broken: str) -> None:
    page = Page()
    failed = threading.Semaphore(0)

    def read() -> list[Any]:
        if broken == "the page" and page.reads < 2:
            page.reads += 1
            failed.release()
            raise ZeroDivisionError("a secret")
        return page.read()

    if broken == "the exporter":
        exporter.error, failed = ZeroDivisionError("a secret"), exporter.arrived
    export = MetricsExport(exporter, interval=0.001)
    export.start(at_once, read)
    for _ in range(2):
        assert failed.acquire(timeout=10)
    exporter.error = None
    export.close()

    assert exporter.sent
    told = told_last(process_log)
    assert told["error"] == "ZeroDivisionError"
    assert "a secret" not in str(told)


def test_a_page_that_cannot_be_read_at_the_end_costs_the_stop_nothing(
    exporter: Recorder, process_log: LogLines
) -> None:
    def read() -> list[Any]:
        raise ZeroDivisionError

    export = MetricsExport(exporter, interval=60.0)
    export.start(at_once, read)
    export.close()

    assert (exporter.sent, exporter.shut_down) == ([], True)
    assert told_last(process_log)["error"] == "ZeroDivisionError"
