"""
Deadlines for many waits at the price of none: a stream notes when its wait runs out, one timer per loop looks around.

A timer per read would cost more than the read. The sweep runs four times a second, so a deadline may be met up to a
quarter of a second late; all of ours are in whole seconds.
"""

import asyncio
from typing import Protocol

from iron_proxy.streams.per_loop import PerLoop

SWEEP_SECONDS = 0.25
# A sweep that is this late comes out of a pause: the process or its machine was stopped. What peers have sent meanwhile
# waits in the kernel, and is read before the next one.
PAUSE_SECONDS = 1.0


class Expirable(Protocol):
    """Something with deadlines in loop time (infinity: none); `expire` is called once one has passed."""

    deadline: float
    write_deadline: float

    def expire(self) -> None:
        """Fail the wait whose deadline has passed."""
        ...


class DeadlineSweep:
    """The watched streams of one event loop. The timer runs only while something is watched."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Expirable] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def watch(self, stream: Expirable) -> None:
        """Look after a stream until `forget`."""
        self._watched.add(stream)
        if self._timer is None:
            self._set_timer()

    def forget(self, stream: Expirable) -> None:
        """Stop looking after a stream."""
        self._watched.discard(stream)

    def _sweep(self) -> None:
        now = self._loop.time()
        if now - self._due < PAUSE_SECONDS:
            for stream in [each for each in self._watched if each.deadline < now or each.write_deadline < now]:
                stream.expire()
        self._timer = None
        if self._watched:
            self._set_timer()

    def _set_timer(self) -> None:
        self._due = self._loop.time() + SWEEP_SECONDS
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)


# The one sweep of a loop.
sweep_of = PerLoop(DeadlineSweep)
