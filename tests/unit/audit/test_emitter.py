"""Whole lines, in order, in few writes; what is lost is counted and told; a slow reader decides the speed."""

import asyncio
import errno
import json
import os
import threading
from typing import Any

import pytest
from tests.unit.audit.records import record_of

from iron_proxy.audit.emitter import AuditEmitter, write_to
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.record import Record


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
