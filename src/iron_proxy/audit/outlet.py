"""
One way out for whole lines: in order, never torn, and never waiting for a reader while the loop runs.

What a destination does not take now stays in a queue, and is written when there is room; a destination that fails is
tried again. How long the queue may get is decided by who puts lines in (`trail.py`, `runtime/process_log.py`), who is
told how it stands. One object owns one destination: whoever else writes there goes through it.
"""

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Final, Protocol

# A queue this long means that the reader is slower than the traffic: from here on the traffic has to wait for it.
CONGESTED_BYTES: Final = 1024 * 1024
# Beyond it lines are given up: some 20,000 records. It bounds the memory that a dead reader costs.
MAX_QUEUED_BYTES: Final = 8 * 1024 * 1024
# A destination that has taken nothing for this long counts as dead. A busy disk or a log shipper that restarts is back
# within it; clients give up later than that.
STALL_SECONDS: Final = 5.0
# A full disk says nothing when there is room again.
_RETRY_SECONDS: Final = 0.25
# A pipe that cannot be watched.
_POLL_SECONDS: Final = 0.02
# What a stop may wait for a reader: half of what it has for everything.
CLOSE_SECONDS: Final = 5.0

_log = logging.getLogger("iron_proxy.audit")


class Destination(Protocol):
    """Where an outlet leads."""

    name: str
    watched: int | None              # a descriptor that the loop can watch for room

    def make_room(self, size: int) -> None:
        """Called before the first byte of whole lines of this size, never between two parts of a line."""
        ...

    def write(self, data: memoryview) -> int:
        """Write some; how much. Raises BlockingIOError when it takes nothing now, OSError when it fails."""
        ...

    def wait(self, seconds: float) -> bool:
        """Block until there may be room; whether it is worth a try."""
        ...

    def begin_sync(self) -> Callable[[], None] | None:
        """What makes all that was written last, to be called in a thread; None where there is nothing to do."""
        ...

    def close(self) -> None:
        """Give it up."""
        ...


class Outlet:
    """
    A destination and what waits for it.

    `put` numbers what it is given; `written` is the number up to which all is there. Without a loop (`attach`) it waits
    for the reader, as any program does.
    """

    def __init__(self, destination: Destination, clock: Callable[[], float] = monotonic) -> None:
        self.destination = destination
        self.queued = 0                            # bytes that wait
        self.written = 0
        self.on_change: Callable[[], None] = _nothing      # more was written, or it failed
        self._clock = clock
        self._number = 0
        self._queue: deque[tuple[int, memoryview]] = deque()
        self._is_torn = False                      # the first of them is partly written
        self._blocked_since: float | None = None
        self._failure = ""                         # why it takes nothing, while it fails
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_watching = False
        self._syncing: ThreadPoolExecutor | None = None
        self._unsynced = 0
        self._is_syncing = False

    # --- how it stands ----------------------------------------------------------------------------------------------

    @property
    def is_congested(self) -> bool:
        """More waits than should."""
        return self.queued > CONGESTED_BYTES

    @property
    def is_stalled(self) -> bool:
        """Something waits, and nothing has moved for long: there is no use in waiting too."""
        since = self._blocked_since
        return since is not None and self._clock() - since >= STALL_SECONDS

    @property
    def is_blocked(self) -> bool:
        """It has not taken all that it was given, as a reader with room and a disk with space do at once."""
        return self._blocked_since is not None

    @property
    def unwritten_lines(self) -> int:
        """How many lines wait."""
        return sum(bytes(rest).count(b"\n") for _, rest in self._queue)

    @property
    def seconds_to_stall(self) -> float:
        """How long it may still be worth waiting."""
        return STALL_SECONDS if self._blocked_since is None else STALL_SECONDS + self._blocked_since - self._clock()

    def has_room_for(self, size: int) -> bool:
        """Whether lines of this size may still be put in. An empty queue takes anything."""
        return not self.queued or self.queued + size <= MAX_QUEUED_BYTES

    # --- lines ------------------------------------------------------------------------------------------------------

    def put(self, lines: bytes) -> int:
        """Write whole lines, now or later; their number. Only in the loop's thread, once it is attached to one."""
        self._number += 1
        is_first = not self._queue
        self._queue.append((self._number, memoryview(lines)))
        self.queued += len(lines)
        if is_first or self._loop is None:         # the loop goes on with those that wait already
            self._drain()
        return self._number

    def put_beside(self, lines: bytes) -> None:
        """The same for lines that nobody waits for, from any thread; they are dropped where there is no room."""
        loop = self._loop
        if loop is not None and threading.get_ident() != self._thread:
            loop.call_soon_threadsafe(self.put_beside, lines)
        elif self.has_room_for(len(lines)):
            self.put(lines)

    def _drain(self) -> None:
        while self._queue:
            number, rest = self._queue[0]
            try:
                if not self._is_torn:
                    self.destination.make_room(len(rest))
                size = self.destination.write(rest)
            except BlockingIOError:
                if self._has_waited_for_room():
                    continue
                return
            except OSError as error:
                self._note_failure(error)
                return
            self._note_progress(number, rest, size)
        self._blocked_since = None

    def _note_progress(self, number: int, rest: memoryview, size: int) -> None:
        self.queued -= size
        self._blocked_since = None
        self._is_torn = size < len(rest)
        if self._is_torn:
            self._queue[0] = (number, rest[size:])
            return
        self._queue.popleft()
        self._note_written(number)
        if self._failure:
            self._failure = ""
            _log.info("audit output takes records again", extra={"fields": {"output": self.destination.name}})

    def _note_failure(self, error: OSError) -> None:
        reason = os.strerror(error.errno).lower() if error.errno else type(error).__name__
        if self._blocked_since is None:
            self._blocked_since = self._clock()
        is_news, self._failure = reason != self._failure, reason
        self._retry_in(_RETRY_SECONDS)
        if is_news:
            fields = {"output": self.destination.name, "reason": reason}
            _log.error("audit output fails", extra={"fields": fields})
        self.on_change()

    # --- waiting for room -------------------------------------------------------------------------------------------

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on never wait: the loop, in whose thread this is called, says when there is room."""
        self._loop, self._thread = loop, threading.get_ident()

    def detach(self, seconds: float = CLOSE_SECONDS) -> None:
        """The loop is about to end: write what is left, waiting for the reader that long at most."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stop_watching()
        self._loop = None
        self._drain_until(self._clock() + seconds)
        if self._syncing is not None:
            self._syncing.shutdown()
            self._syncing = None
            self._sync_last()

    def close(self) -> None:
        """Give the destination up."""
        self.destination.close()

    def _has_waited_for_room(self) -> bool:
        """Without a loop wait here and say whether there is room; with one, be told by it."""
        if self._blocked_since is None:
            self._blocked_since = self._clock()
        if self._loop is None:
            return self.destination.wait(max(0.0, self.seconds_to_stall))
        watched = self.destination.watched
        if watched is None:
            self._retry_in(_POLL_SECONDS)
        elif not self._is_watching:
            self._is_watching = True
            self._loop.add_writer(watched, self._go_on)
        return False

    def _retry_in(self, seconds: float) -> None:
        if self._loop is not None and self._timer is None:
            self._timer = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._drain()
        if not self._queue:
            self._stop_watching()
        self.on_change()

    def _stop_watching(self) -> None:
        if self._is_watching and self._loop is not None and self.destination.watched is not None:
            self._is_watching = False
            self._loop.remove_writer(self.destination.watched)

    def _drain_until(self, deadline: float) -> None:
        """The reader gets until then, and a full disk its tries; what has stalled long ago gets one more."""
        if self.is_stalled:
            self._drain()
            return
        while self._queue and (left := deadline - self._clock()) > 0:
            self._blocked_since = self._clock() - STALL_SECONDS + left
            self._drain()
            if self._failure:
                self.destination.wait(_RETRY_SECONDS)

    # --- what lasts -------------------------------------------------------------------------------------------------

    def _note_written(self, number: int) -> None:
        call = self.destination.begin_sync() if not self._is_syncing else None
        if call is not None:
            self._sync(call, number)
        elif self._is_syncing:
            self._unsynced = number                # the next sync is for all that came meanwhile
        else:
            self.written = number

    def _sync(self, call: Callable[[], None], number: int) -> None:
        if self._loop is None:
            call()
            self.written = number
            return
        if self._syncing is None:                  # of its own: name lookups must not keep it waiting
            self._syncing = ThreadPoolExecutor(1, "audit-sync")
        self._is_syncing = True
        done = self._loop.run_in_executor(self._syncing, call)
        done.add_done_callback(lambda future: self._note_synced(future, number))

    def _note_synced(self, done: "asyncio.Future[None]", number: int) -> None:
        self._is_syncing = False
        error = None if done.cancelled() else done.exception()
        if isinstance(error, OSError):
            self._note_failure(error)              # and those who wait learn it from the deadline
        else:
            self.written = number
        if self._unsynced > number and self._loop is not None:
            newest, self._unsynced = self._unsynced, 0
            self._note_written(newest)
        self.on_change()

    def _sync_last(self) -> None:
        self._is_syncing = False
        call = self.destination.begin_sync()
        try:
            if call is not None:
                call()
            self.written = self._number if not self._queue else self.written
        except OSError as error:
            self._note_failure(error)


def _nothing() -> None:
    pass
