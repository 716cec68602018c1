"""Whole lines, in order, in few writes; what is lost is counted and told; a slow reader decides the speed."""

import asyncio
import errno
import json
import os
import threading
from typing import Any

import pytest
from tests.fakes.log_lines import LogLines
from tests.unit.audit.destinations import FakeDestination
from tests.unit.audit.records import record_of

from iron_proxy.audit.emitter import AuditEmitter, write_to
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.outlet import Outlet
from iron_proxy.audit.record import Record
from iron_proxy.audit.trail import Branch, Trail


class Destination:
    """Takes writes, or fails while it is full."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_full = False

    def write(self, data: bytes) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.writes.append(data)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in b"".join(self.writes).splitlines()]


@pytest.fixture
def destination() -> Destination:
    return Destination()


@pytest.fixture
def emitter(destination: Destination) -> AuditEmitter:
    return AuditEmitter(seed_envelope, destination.write)


async def emit(emitter: AuditEmitter, *paths: str) -> None:
    for path in paths:
        emitter.emit(record_of(path=path))
    await asyncio.sleep(0)


def paths(destination: Destination) -> list[str]:
    return [line["path"] for line in destination.lines if "path" in line]


async def test_the_records_of_one_turn_are_one_write(emitter: AuditEmitter, destination: Destination) -> None:
    await emit(emitter, "/1", "/2", "/3")

    assert len(destination.writes) == 1
    assert paths(destination) == ["/1", "/2", "/3"]
    assert emitter.emitted == 3


async def test_the_records_of_another_turn_are_another(emitter: AuditEmitter, destination: Destination) -> None:
    await emit(emitter, "/1")
    await emit(emitter, "/2")

    assert len(destination.writes) == 2
    assert paths(destination) == ["/1", "/2"]


async def test_a_burst_is_cut_between_two_lines(emitter: AuditEmitter, destination: Destination) -> None:
    await emit(emitter, *["/" + "x" * 60_000] * 10)

    assert len(destination.writes) > 1
    assert all(write.endswith(b"}\n") for write in destination.writes)
    assert len(paths(destination)) == 10


async def test_a_flush_writes_at_once_and_nothing_twice(emitter: AuditEmitter, destination: Destination) -> None:
    emitter.emit(record_of(path="/1"))

    emitter.flush()
    emitter.flush()
    await asyncio.sleep(0)

    assert paths(destination) == ["/1"]


def test_the_last_flush_needs_no_loop_and_tells_what_was_lost_until_then(destination: Destination) -> None:
    emitter = AuditEmitter(seed_envelope, destination.write)
    destination.is_full = True
    asyncio.run(emit(emitter, "/lost"))
    assert emitter.lost == 1
    destination.is_full = False

    emitter.flush()

    assert [line["reason"] for line in destination.lines] == ["1 audit records could not be written"]
    assert emitter.lost == 0


async def test_other_sinks_see_every_record_in_order(destination: Destination) -> None:
    seen: list[Record] = []
    emitter = AuditEmitter(seed_envelope, destination.write, (seen.append, seen.append))
    record = record_of()

    emitter.emit(record)
    await asyncio.sleep(0)

    assert seen == [record, record]


async def test_what_could_not_be_written_is_counted_and_told_with_the_next_that_can(
    emitter: AuditEmitter, destination: Destination
) -> None:  # AUD-06
    destination.is_full = True
    await emit(emitter, "/1", "/2")
    await emit(emitter, "/3")
    assert emitter.lost == 3
    destination.is_full = False

    await emit(emitter, "/4")
    await emit(emitter, "/5")

    (report,) = [line for line in destination.lines if line["msg"] == "event"]
    assert (report["level"], report["event"], report["action"]) == ("ERROR", "audit", "lost")
    assert report["reason"] == "3 audit records could not be written"
    assert paths(destination) == ["/4", "/5"]
    assert emitter.lost == 0


async def test_a_loss_is_told_to_the_other_sinks_too(destination: Destination) -> None:
    seen: list[Record] = []
    emitter = AuditEmitter(seed_envelope, destination.write, (seen.append,))
    destination.is_full = True
    await emit(emitter, "/1")
    destination.is_full = False

    await emit(emitter, "/2")

    assert [record.msg for record in seen] == ["request", "request", "event"]


# --- writing to a descriptor ----------------------------------------------------------------------------------------

LINES = [b"%d %s\n" % (number, b"x" * 1000) for number in range(500)]


@pytest.mark.parametrize("blocking", [True, False], ids=["a blocking pipe", "a pipe somebody made non-blocking"])
def test_more_than_a_pipe_holds_is_written_whole_while_somebody_reads(blocking: bool) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    received: list[bytes] = []

    def read() -> None:
        while data := os.read(reading, 65536):
            received.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    write_to(writing)(b"".join(LINES))
    os.close(writing)
    reader.join()
    os.close(reading)

    assert b"".join(received) == b"".join(LINES)


def test_a_reader_that_went_away_is_an_error_to_count() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    with pytest.raises(OSError, match="Broken pipe"):
        write_to(writing)(b"line\n")
    os.close(writing)


class Disk:
    """A descriptor on which each write takes so many bytes, or fails."""

    def __init__(self, *takes: int) -> None:
        self.written = b""
        self._takes = list(takes)

    def write(self, descriptor: int, data: memoryview) -> int:
        size = self._takes.pop(0) if self._takes else len(data)
        if size < 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.written += bytes(data[:size])
        return min(size, len(data))


@pytest.mark.parametrize("takes", [(1,) * 11, (4, 3), (0, 5)], ids=["byte by byte", "in parts", "nothing at first"])
def test_short_writes_are_completed(takes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(*takes)
    monkeypatch.setattr(os, "write", disk.write)

    write_to(2)(b"hello world\n")

    assert disk.written == b"hello world\n"


def test_a_line_that_a_failure_cut_off_does_not_swallow_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(4, -1)
    monkeypatch.setattr(os, "write", disk.write)
    write = write_to(2)
    with pytest.raises(OSError, match="no space"):
        write(b"one\ntwo\n")
    assert disk.written == b"one\n"
    write(b"three\n")
    assert disk.written == b"one\nthree\n"
    disk._takes = [2, -1]
    with pytest.raises(OSError, match="no space"):
        write(b"four\n")

    write(b"five\n")

    assert disk.written == b"one\nthree\nfo\nfive\n"


# --- who else wants the records -------------------------------------------------------------------------------------


async def test_a_subscriber_is_given_what_comes_from_then_on_until_it_ends_that(emitter: AuditEmitter) -> None:
    seen: list[Record] = []
    first, second, third = record_of(), record_of(), record_of()
    emitter.emit(first)

    unsubscribe = emitter.subscribe(seen.append)
    emitter.emit(second)
    unsubscribe()
    emitter.emit(third)

    assert seen == [second]


async def test_opening_records_are_written_and_given_to_who_asked_for_them(
    emitter: AuditEmitter, destination: Destination
) -> None:
    all_of_them: list[Record] = []
    closings: list[Record] = []
    emitter.subscribe(all_of_them.append, openings=True)
    emitter.subscribe(closings.append)
    opening, closing = record_of(path="/opening"), record_of(path="/closing")

    emitter.emit_opening(opening)
    emitter.emit(closing)
    emitter.flush()

    assert (all_of_them, closings) == ([opening, closing], [closing])
    assert paths(destination) == ["/opening", "/closing"]


async def test_a_subscriber_that_fails_costs_nobody_a_record(
    emitter: AuditEmitter, destination: Destination, process_log: LogLines
) -> None:
    def fail(record: Record) -> None:
        raise KeyError("canary-secret")

    seen: list[Record] = []
    emitter.subscribe(fail)
    emitter.subscribe(seen.append)

    await emit(emitter, "/1")

    assert (len(seen), paths(destination)) == (1, ["/1"])
    assert process_log.said("audit subscriber failed")["error"] == "KeyError"
    assert "canary" not in repr(process_log.written)


# --- with outputs that wait -----------------------------------------------------------------------------------------


async def trailing(destination: FakeDestination, **options: Any) -> AuditEmitter:
    trail = Trail([Branch(Outlet(destination))], **options)
    emitter = AuditEmitter(seed_envelope, trail.write, trail=trail)
    emitter.start()
    return emitter


async def test_strict_writes_at_once_and_says_when_it_is_there() -> None:
    destination = FakeDestination()
    emitter = await trailing(destination, is_strict=True)
    emitter.emit(record_of(path="/1"))

    await emitter.written()

    assert b'"/1"' in destination.content
    assert (emitter.is_strict, emitter.must_wait) == (True, False)


async def test_how_the_log_stands_can_be_asked() -> None:
    destination = FakeDestination(room=0)
    emitter = await trailing(destination, is_strict=True)
    emitter.emit(record_of(path="/1"))
    emitter.flush()

    assert emitter.must_wait
    condition = emitter.condition
    assert (condition.emitted, condition.lost, condition.refused, condition.is_stalled) == (1, 0, 0, False)
    assert condition.queued_bytes > 100

    destination.room = None
    await emitter.room()
    assert (emitter.must_wait, emitter.condition.queued_bytes) == (False, 0)
    emitter.close()


async def test_a_plain_writer_never_makes_anybody_wait(emitter: AuditEmitter) -> None:
    emitter.start()
    await emitter.room()
    await emitter.written()

    assert (emitter.is_strict, emitter.must_wait) == (False, False)
    emitter.close()


async def test_what_is_left_unwritten_at_the_end_is_told(
    process_log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iron_proxy.audit.trail.CLOSE_SECONDS", 0.01)
    emitter = await trailing(FakeDestination(room=0))
    emitter.emit(record_of())

    emitter.close()

    assert process_log.said("audit records could not be written")["count"] == 1


async def test_lines_of_others_are_written_as_they_are_and_counted(
    emitter: AuditEmitter, destination: Destination
) -> None:
    await emitter.pass_on(b'{"path":"/1"}\n{"path":"/2"}\n')

    assert paths(destination) == ["/1", "/2"]
    assert emitter.condition.emitted == 2


async def test_strict_lines_of_others_wait_until_they_are_written_however_long_that_takes() -> None:
    destination = FakeDestination()
    destination.room = 0
    outlet = Outlet(destination)
    trail = Trail([Branch(outlet)], is_strict=True)
    emitter = AuditEmitter(seed_envelope, trail.write, trail=trail)
    emitter.start()
    passing = asyncio.ensure_future(emitter.pass_on(b'{"path":"/1"}\n'))
    await asyncio.sleep(0)
    assert not passing.done()

    destination.room = 1000
    outlet._go_on()
    await passing

    assert destination.content == b'{"path":"/1"}\n'
    assert emitter.condition.refused == 0
    emitter.close()
