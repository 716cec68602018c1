"""
What is made for a host, kept for those used of late, and made once however many ask at a time.

Hosts that policy denies are kept apart, so that a client inventing names cannot flush what is in use. The caller says
what is admitted, before it asks. Used by `leaf_cache.py` and by whoever shares leaves between processes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, NamedTuple, TypeVar
from weakref import WeakValueDictionary

# A denied client tries its few hosts again and again; these need not be signed each time. At 28 KiB a context this
# costs less than 2 MiB whatever names a client invents.
DENIED_SIZE: Final = 64

Value = TypeVar("Value")


class Kept(NamedTuple, Generic[Value]):
    """A value and the time in which it may be served: Unix seconds, the last exclusive."""

    value: Value
    fresh_from: float
    fresh_until: float


class OncePerHost(Generic[Value]):
    """
    One value per host, least recently used out first.

    `size` counts admitted hosts; a negative one is no limit. `is_worn_out` tells a value that is not to be served any
    more, before its time.
    """

    def __init__(self, size: int, clock: Callable[[], float], is_worn_out: Callable[[Value], bool]) -> None:
        self._clock = clock
        self._admitted = _RecentHosts(size, is_worn_out)
        self._denied = _RecentHosts(DENIED_SIZE if size < 0 else min(size, DENIED_SIZE), is_worn_out)
        # A lock lives as long as somebody waits for its host.
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._admitted) + len(self._denied)

    @property
    def being_made(self) -> int:
        """For how many hosts somebody makes a value, or waits for one."""
        return len(self._making)

    def find(self, host: str) -> Value | None:
        """The value of a canonical host if it is here and fresh. Never waits."""
        now = self._clock()
        value = self._admitted.find(host, now)
        # A host denied earlier and admitted now may be found among the denied; it moves when it is made again.
        return value if value is not None else self._denied.find(host, now)

    async def get(self, host: str, admitted: bool, make: Callable[[], Awaitable[Kept[Value]]]) -> Value:
        """The value of a host, from `make` if need be. Raises what that raises; the next one who asks tries again."""
        value = self.find(host)
        if value is not None:
            return value
        lock = self._making.setdefault(host, asyncio.Lock())
        async with lock:
            value = self.find(host)  # whoever held the lock before us has made it
            if value is None:
                kept = await make()
                (self._admitted if admitted else self._denied).keep(host, kept)
                value = kept.value
        return value


class _RecentHosts(Generic[Value]):
    """Values by host, the least recently used first."""

    __slots__ = ("_entries", "_is_worn_out", "_size")

    def __init__(self, size: int, is_worn_out: Callable[[Value], bool]) -> None:
        self._size = size
        self._is_worn_out = is_worn_out
        self._entries: OrderedDict[str, Kept[Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, host: str, now: float) -> Value | None:
        entry = self._entries.get(host)
        if entry is None:
            return None
        # The lower bound matters when the clock is set back: the leaf would be "not yet valid".
        if not entry.fresh_from <= now < entry.fresh_until or self._is_worn_out(entry.value):
            del self._entries[host]
            return None
        self._entries.move_to_end(host)
        return entry.value

    def keep(self, host: str, entry: Kept[Value]) -> None:
        self._entries[host] = entry
        self._entries.move_to_end(host)
        while 0 <= self._size < len(self._entries):
            self._entries.popitem(last=False)
