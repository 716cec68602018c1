"""The queue: bounded, in order, never waits for a collector, and counts and tells all that is lost."""

import threading
from collections.abc import Callable, Sequence

from tests.fakes.log_lines import LogLines

from iron_proxy.audit import otlp_queue
from iron_proxy.audit.otlp_queue import ExportQueue


class Recorder:
    """An exporter that takes, refuses, fails or holds."""

    def __init__(self, takes: bool = True) -> None:
        self.takes = takes
        self.error: Exception | None = None
        self.batches: list[list[bytes]] = []
        self.entered = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.shut_down = False

    def export(self, lines: Sequence[bytes]) -> bool:
        self.batches.append(list(lines))
        self.entered.set()
        self.may_go_on.wait(10)
        if self.error is not None:
            raise self.error
        return self.takes

    def shutdown(self) -> None:
        self.shut_down = True
        self.may_go_on.set()

    @property
    def lines(self) -> list[bytes]:
        return [line for batch in self.batches for line in batch]


def tell_at_once(tell: Callable[[], None]) -> None:
    tell()


def lines_of(count: int) -> list[bytes]:
    return [b"%d\n" % number for number in range(count)]


def filled(exporter: Recorder, count: int, max_size: int = 2048, batch_size: int = 512) -> ExportQueue:
    queue = ExportQueue(exporter, delay=60.0, max_size=max_size, batch_size=batch_size)
    for line in lines_of(count):
        queue.put(line)
    return queue


def test_what_is_left_at_the_end_is_exported_in_order() -> None:
    exporter = Recorder()
    queue = filled(exporter, 10)
    queue.start(tell_at_once)

    queue.close()

    assert exporter.lines == lines_of(10)
    assert queue.condition == (10, 0, 0, 0)
    assert exporter.shut_down


def test_a_batch_is_exported_once_it_is_whole() -> None:
    exporter = Recorder()
    queue = ExportQueue(exporter, delay=60.0, batch_size=3)
    queue.start(tell_at_once)
    for line in lines_of(3):
        queue.put(line)

    assert exporter.entered.wait(10)
    assert exporter.batches == [lines_of(3)]
    queue.close()


def test_no_batch_is_larger_than_asked_for() -> None:
    exporter = Recorder()
    queue = filled(exporter, 10, batch_size=4)
    queue.start(tell_at_once)
    queue.close()

    assert [len(batch) for batch in exporter.batches] == [4, 4, 2]


def test_a_full_queue_loses_the_oldest_and_counts_them(process_log: LogLines) -> None:
    exporter = Recorder()
    queue = filled(exporter, 10, max_size=4)
    queue.start(tell_at_once)
    queue.close()

    assert exporter.lines == lines_of(10)[6:]
    assert queue.condition == (4, 6, 0, 0)
    assert process_log.messages == ["audit records were not exported by OTLP"]


def test_long_lines_are_bounded_by_their_bytes(process_log: LogLines) -> None:
    exporter = Recorder()
    queue = ExportQueue(exporter, delay=60.0)
    for _ in range(20):
        queue.put(b"x" * 1024 * 1024)

    assert queue.condition.queued * 1024 * 1024 <= otlp_queue.MAX_QUEUED_BYTES
    assert queue.condition.dropped == 4


def test_a_collector_that_holds_delays_nobody_and_is_left_at_the_end(process_log: LogLines) -> None:
    exporter = Recorder(takes=False)
    exporter.may_go_on.clear()
    queue = ExportQueue(exporter, delay=60.0, batch_size=1, max_size=5)
    queue.start(tell_at_once)
    queue.put(b"first\n")
    assert exporter.entered.wait(10)
    for line in lines_of(8):
        queue.put(line)

    assert queue.condition == (0, 3, 0, 5)
    queue.close(0.01)

    assert queue.condition == (0, 8, 1, 0)
    assert exporter.lines == [b"first\n"]


def test_refusals_are_counted_and_told_once_a_while(process_log: LogLines) -> None:
    exporter = Recorder(takes=False)
    queue = filled(exporter, 6, batch_size=2)
    queue.start(tell_at_once)
    queue.close()

    assert queue.condition == (0, 0, 6, 0)
    assert [line["count"] for line in process_log.lines] == [2, 4]


def test_an_exporter_that_raises_is_asked_again_and_its_words_are_not_told(process_log: LogLines) -> None:
    exporter = Recorder()
    exporter.error = ValueError("Bearer secret-of-the-collector")
    queue = filled(exporter, 4, batch_size=2)
    queue.start(tell_at_once)
    queue.close()

    assert queue.condition.failed == 4
    assert "ValueError" in str(process_log.written)
    assert "secret-of-the-collector" not in str(process_log.written)


def test_a_loop_that_has_ended_is_no_trouble(process_log: LogLines) -> None:
    def ended(tell: Callable[[], None]) -> None:
        raise RuntimeError("Event loop is closed")

    exporter = Recorder(takes=False)
    queue = filled(exporter, 4, batch_size=2)
    queue.start(ended)
    queue.close()

    assert queue.condition.failed == 4
    assert [line["count"] for line in process_log.lines] == [4]
