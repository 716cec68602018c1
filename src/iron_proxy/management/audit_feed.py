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
    """All watchers of one emitter."""

    def __init__(self, audit: AuditEmitter) -> None:
        self._audit = audit
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
            self._unsubscribe = self._audit.subscribe(self._take, openings=True)
        return watcher

    def close(self, watcher: Watcher) -> None:
        """End one."""
        self._watchers.discard(watcher)
        if not self._watchers and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _take(self, record: Record) -> None:
        line, _ = KNOWN_VALUES.mask(seed_envelope(record))
        self._number += 1
        event = b"id: %d\ndata: %b\n" % (self._number, line)       # the line ends with its line break
        for watcher in self._watchers:
            watcher.put(event)
