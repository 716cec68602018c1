import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from iron_proxy.streams import deadlines
from iron_proxy.streams.deadlines import DeadlineSweep, sweep_of


@pytest.fixture(autouse=True)
def short_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "SWEEP_SECONDS", 0.002)


class Wait:
    """One wait with both deadlines, which notes that it was told."""

    def __init__(self, sweep: DeadlineSweep, deadline: float, write_deadline: float) -> None:
        self.deadline, self.write_deadline = deadline, write_deadline
        self.told = asyncio.Event()
        sweep.watch(self)

    def expire(self) -> None:
        self.deadline = self.write_deadline = float("inf")
        self.told.set()


NEVER = float("inf")


async def test_a_wait_is_told_once_its_deadline_has_passed() -> None:
    loop = asyncio.get_running_loop()
    sweep = DeadlineSweep(loop)
    reading = Wait(sweep, loop.time(), NEVER)
    writing = Wait(sweep, NEVER, loop.time())
    patient = Wait(sweep, loop.time() + 60, loop.time() + 60)

    await asyncio.wait_for(asyncio.gather(reading.told.wait(), writing.told.wait()), 5)

    assert not patient.told.is_set()
    for wait in (reading, writing, patient):
        sweep.forget(wait)


async def test_what_is_forgotten_is_told_nothing() -> None:
    loop = asyncio.get_running_loop()
    sweep = DeadlineSweep(loop)
    forgotten, watched = Wait(sweep, loop.time(), NEVER), Wait(sweep, loop.time(), NEVER)
    sweep.forget(forgotten)

    await asyncio.wait_for(watched.told.wait(), 5)

    assert not forgotten.told.is_set()
    sweep.forget(watched)


async def test_a_sweep_that_went_to_rest_wakes_for_the_next_stream() -> None:
    loop = asyncio.get_running_loop()
    sweep = DeadlineSweep(loop)
    for _ in range(2):
        wait = Wait(sweep, loop.time(), NEVER)
        await asyncio.wait_for(wait.told.wait(), 5)
        sweep.forget(wait)


class StoppedClock:
    """A loop whose time is set by hand; `turn` calls what is due."""

    def __init__(self) -> None:
        self.now = 100.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self._due.append((self.now + delay, callback))

    def turn(self, seconds: float) -> None:
        self.now += seconds
        due, self._due = self._due, []
        for _, callback in due:
            callback()


def test_after_a_pause_what_has_come_meanwhile_is_read_first() -> None:
    clock = StoppedClock()
    sweep = DeadlineSweep(cast(asyncio.AbstractEventLoop, clock))
    wait = Wait(sweep, clock.now + 2, NEVER)

    clock.turn(30)  # stopped, and continued
    assert not wait.told.is_set()

    clock.turn(deadlines.SWEEP_SECONDS)
    assert wait.told.is_set()


async def test_a_loop_has_one_sweep() -> None:
    loop = asyncio.get_running_loop()

    assert sweep_of(loop) is sweep_of(loop)
