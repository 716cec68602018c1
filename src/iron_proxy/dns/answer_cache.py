"""
What passthrough lookups have found, for as long as it may be kept. Bounded; the least recently used goes first.

Only `forwarding.py` uses it. Failures are never kept: the next question may find a server that answers.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from iron_proxy.dns.upstream_replies import Found

# A workload's internal names are tens to hundreds. With the size of an entry this bounds the memory to some 8 MiB.
MAX_ENTRIES: Final = 2048
# A hundred addresses of IPv6, and then some: longer answers are asked for again.
MAX_ENTRY_BYTES: Final = 4096

Key = tuple[str, int]  # host and record type


class _Entry(NamedTuple):
    found: Found
    expires: float


class AnswerCache:
    """`clock` gives seconds that only go forward."""

    def __init__(self, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._max_entries = max_entries
        self._clock = clock

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Found | None:
        """What is known, with the lifetime that is left of it."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        left = math.ceil(entry.expires - self._clock())
        if left <= 0:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry.found._replace(ttl=left)

    def put(self, key: Key, found: Found) -> None:
        """Keep what was found for its lifetime, if it has one and is not too large."""
        if found.ttl <= 0 or sum(map(len, found.contents)) > MAX_ENTRY_BYTES:
            return
        self._entries[key] = _Entry(found, self._clock() + found.ttl)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
