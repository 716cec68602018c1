"""In order, never torn, never waiting while the loop runs; and how it stands can be asked at any time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from tests.fakes.log_lines import LogLines
from tests.unit.audit.destinations import FakeDestination

from iron_proxy.audit.outlet import CONGESTED_BYTES, MAX_QUEUED_BYTES, STALL_SECONDS, Outlet


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def destination() -> FakeDestination:
    return FakeDestination()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def outlet(destination: FakeDestination, clock: Clock) -> AsyncIterator[Outlet]:
    outlet = Outlet(destination, clock)
    outlet.attach(asyncio.get_running_loop())
    yield outlet
    destination.room, destination.is_full = None, False
    outlet.detach(0.1)


async def until(outlet: Outlet, condition: Callable[[], bool]) -> None:
    """Wait for changes of the outlet until the condition holds."""
    changed = asyncio.Event()
    outlet.on_change = changed.set
    async with asyncio.timeout(5):
        while not condition():
            changed.clear()
            await changed.wait()


async def test_what_fits_is_written_at_once(outlet: Outlet, destination: FakeDestination) -> None:
    assert outlet.put(b"one\n") == 1

    assert destination.content == b"one\n"
    assert (outlet.written, outlet.queued, outlet.is_blocked) == (1, 0, False)


async def test_what_does_not_fit_waits_in_order_and_goes_on_in_the_middle_of_its_line(
    outlet: Outlet, destination: FakeDestination
) -> None:
    destination.room = 6
    outlet.put(b"one\n")
    outlet.put(b"two\n")
    outlet.put(b"three\n")

    assert destination.content == b"one\ntw"
    assert (outlet.written, outlet.queued, outlet.is_blocked) == (1, 8, True)

    destination.room = None
    await until(outlet, lambda: outlet.written == 3)
    assert destination.content == b"one\ntwo\nthree\n"
    assert destination.rooms_made == [4, 4, 6]                # never in the middle of a line


@pytest.mark.slow
async def test_a_full_disk_is_told_once_and_tried_again(
    outlet: Outlet, destination: FakeDestination, process_log: LogLines
) -> None:
    destination.is_full = True
    outlet.put(b"one\n")
    outlet.put(b"two\n")
    assert (outlet.written, outlet.queued) == (0, 8)

    destination.is_full = False
    await until(outlet, lambda: outlet.written == 2)

    assert destination.content == b"one\ntwo\n"
    told = [(line["msg"], line.get("reason")) for line in process_log.lines if line["msg"].startswith("audit output")]
    assert told == [("audit output fails", "no space left on device"), ("audit output takes records again", None)]


async def test_it_is_congested_before_it_is_full(outlet: Outlet, destination: FakeDestination) -> None:
    destination.room = 0
    outlet.put(b"x" * CONGESTED_BYTES)
    assert not outlet.is_congested
    outlet.put(b"x")
    assert outlet.is_congested

    assert outlet.has_room_for(MAX_QUEUED_BYTES - CONGESTED_BYTES - 1)
    assert not outlet.has_room_for(MAX_QUEUED_BYTES - CONGESTED_BYTES)


async def test_an_empty_queue_takes_lines_of_any_size(outlet: Outlet) -> None:
    assert outlet.has_room_for(MAX_QUEUED_BYTES * 2)


async def test_it_has_stalled_when_nothing_has_moved_for_long(
    outlet: Outlet, destination: FakeDestination, clock: Clock
) -> None:
    destination.room = 0
    outlet.put(b"one\n")
    clock.now += STALL_SECONDS - 0.5
    assert not outlet.is_stalled
    assert outlet.seconds_to_stall == pytest.approx(0.5)

    clock.now += 0.5
    assert outlet.is_stalled


async def test_each_byte_that_moves_begins_the_time_anew(
    outlet: Outlet, destination: FakeDestination, clock: Clock
) -> None:
    destination.room = 0
    outlet.put(b"one\n")
    clock.now += STALL_SECONDS - 1
    destination.room = 1
    await until(outlet, lambda: destination.content == b"o")
    clock.now += 2

    assert not outlet.is_stalled


async def test_whoever_asked_is_told_of_each_change(outlet: Outlet, destination: FakeDestination) -> None:
    told = asyncio.Queue[int]()
    outlet.on_change = lambda: told.put_nowait(outlet.written)
    destination.room = 0
    outlet.put(b"one\n")
    destination.room = None

    assert await asyncio.wait_for(told.get(), 5) == 1


async def test_lines_of_another_thread_are_put_in_by_the_loop(outlet: Outlet, destination: FakeDestination) -> None:
    thread = threading.Thread(target=outlet.put_beside, args=(b"from afar\n",))
    thread.start()
    thread.join()
    assert destination.content == b""

    await asyncio.sleep(0)
    assert destination.content == b"from afar\n"


async def test_lines_that_nobody_waits_for_are_dropped_where_there_is_no_room(
    outlet: Outlet, destination: FakeDestination
) -> None:
    destination.room = 0
    outlet.put_beside(b"x" * MAX_QUEUED_BYTES)
    outlet.put_beside(b"dropped\n")

    assert outlet.queued == MAX_QUEUED_BYTES


async def test_with_sync_a_line_is_written_when_it_is_on_the_disk(outlet: Outlet, destination: FakeDestination) -> None:
    gate, synced = threading.Event(), []

    def sync() -> None:
        gate.wait(5)
        synced.append(destination.content)

    destination.sync_call = sync
    outlet.put(b"one\n")
    outlet.put(b"two\n")
    outlet.put(b"three\n")
    assert outlet.written == 0

    gate.set()
    await until(outlet, lambda: outlet.written == 3)
    assert len(synced) == 2                                   # the second one is for all that came meanwhile


async def test_a_sync_that_fails_leaves_the_line_unwritten(
    outlet: Outlet, destination: FakeDestination, process_log: LogLines
) -> None:
    def fail() -> None:
        raise OSError(5, "input/output error")

    destination.sync_call = fail
    outlet.put(b"one\n")
    await until(outlet, lambda: any(line.get("reason") == "input/output error" for line in process_log.lines))

    assert outlet.written == 0
    destination.sync_call = None


# --- without a loop -------------------------------------------------------------------------------------------------


def test_without_a_loop_it_waits_for_the_reader(destination: FakeDestination) -> None:
    outlet = Outlet(destination)
    destination.room = 2
    destination.on_wait = lambda: setattr(destination, "room", None)

    outlet.put(b"one\n")

    assert destination.content == b"one\n"
    assert len(destination.waited) == 1


def test_without_a_loop_a_dead_reader_is_waited_for_once_only(destination: FakeDestination, clock: Clock) -> None:
    outlet = Outlet(destination, clock)
    destination.room = 0
    outlet.put(b"one\n")
    clock.now += STALL_SECONDS

    outlet.put(b"two\n")

    assert destination.waited == [STALL_SECONDS, 0.0]


def test_detaching_writes_what_is_left_within_its_time(destination: FakeDestination) -> None:
    async def leave_two_lines() -> Outlet:
        outlet = Outlet(destination)
        outlet.attach(asyncio.get_running_loop())
        destination.room = 0
        outlet.put(b"one\n")
        outlet.put(b"two\n")
        outlet.detach(0.02)
        assert outlet.unwritten_lines == 2
        destination.room = None
        outlet.detach(1.0)
        return outlet

    outlet = asyncio.run(leave_two_lines())

    assert destination.content == b"one\ntwo\n"
    assert outlet.unwritten_lines == 0


def test_a_closed_outlet_has_closed_its_destination(destination: FakeDestination) -> None:
    Outlet(destination).close()

    assert destination.is_closed
