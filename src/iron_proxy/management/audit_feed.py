"""
Audit records as they are made, for whoever watches: a bounded queue for each watcher, and no waiting for any of them.

What a queue has no room for is dropped and counted, and the watcher is told how many; the log itself (`audit/`) loses
nothing by that. Nothing is encoded while nobody watches. `audit_stream.py` sends it on.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.record import Record
from iron_proxy.secret_sources.known_values import KNOWN_VALUES

# A few people and a page or two each.
MAX_WATCHERS: Final = 16
# About a second of the busiest traffic: who is further behind than that will not catch up.
MAX_QUEUED: Final = 8192
MAX_QUEUED_BYTES: Final = 8 * 1024 * 1024
# What is sent in one go.
_MAX_TAKEN_BYTES: Final = 256 * 1024


# `Control.watch_workers`.
WatchWorkers = Callable[[Callable[[bytes], None], Callable[[int], None]], Callable[[], None] | None]


class TooManyWatchers(Exception):
    """There are enough of them."""


class Watcher:
    """One subscription: what waits to be sent, and what did not fit."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.dropped = 0                         # since the last `take`
        self._queue: deque[bytes] = deque()
        self._size = 0

    def put(self, event: bytes) -> None:
        """Queue one event, or count it."""
        if len(self._queue) >= MAX_QUEUED or self._size + len(event) > MAX_QUEUED_BYTES:
            self.dropped += 1
        else:
            self._queue.append(event)
            self._size += len(event)
        self.arrived.set()

    def miss(self, count: int) -> None:
        """Count what did not fit elsewhere."""
        self.dropped += count
        self.arrived.set()

    def take(self) -> bytes:
        """What waits, as server-sent events, up to a size; a count of what was dropped comes behind what was not."""
        pieces: list[bytes] = []
        taken = 0
        while self._queue and taken < _MAX_TAKEN_BYTES:
            pieces.append(self._queue.popleft())
            taken += len(pieces[-1])
        self._size -= taken
        if not self._queue:
            self.arrived.clear()
            if self.dropped:
                pieces.append(b'event: dropped\ndata: {"count":%d}\n\n' % self.dropped)
                self.dropped = 0
        return b"".join(pieces)


class AuditFeed:
    """All watchers of one emitter, and of `elsewhere` (`Control.watch_workers`)."""

    def __init__(self, audit: AuditEmitter, elsewhere: WatchWorkers | None = None) -> None:
        self._audit = audit
        self._elsewhere = elsewhere
        self._watchers: set[Watcher] = set()
        self._unsubscribe: Callable[[], None] | None = None
        self._number = 0

    def open(self) -> Watcher:
        """Begin to watch; `close` ends it. Raises TooManyWatchers."""
        if len(self._watchers) >= MAX_WATCHERS:
            raise TooManyWatchers
        watcher = Watcher()
        self._watchers.add(watcher)
        if self._unsubscribe is None:
            self._unsubscribe = self._subscribe()
        return watcher

    def _subscribe(self) -> Callable[[], None]:
        ends = [self._audit.subscribe(self._take, openings=True)]
        if self._elsewhere is not None and (end := self._elsewhere(self._put, self._miss)) is not None:
            ends.append(end)

        def unsubscribe() -> None:
            for end in ends:
                end()

        return unsubscribe

    def close(self, watcher: Watcher) -> None:
        """End one."""
        self._watchers.discard(watcher)
        if not self._watchers and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _take(self, record: Record) -> None:
        self._put(masked_line(record))

    def _put(self, line: bytes) -> None:
        self._number += 1
        event = b"id: %d\ndata: %b\n" % (self._number, line)       # the line ends with its line break
        for watcher in self._watchers:
            watcher.put(event)

    def _miss(self, count: int) -> None:
        for watcher in self._watchers:
            watcher.miss(count)


def masked_line(record: Record) -> bytes:
    """A record as it may be shown, with its line end."""
    line, _ = KNOWN_VALUES.mask(seed_envelope(record))
    return line
