"""
How much one client may have of what costs others: lookups, and lines in the audit log.

`lookup_limits.py` asks before each lookup, `event_flow.py` before each record. Pure but for the clock. An address can
be forged over UDP, so the number of buckets is bounded too.
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

# Clients with a bucket of their own; those beyond share one. Some 200 KiB when it is full.
MAX_CLIENTS: Final = 1024
_SHARED = ""


class _Bucket(NamedTuple):
    tokens: float
    at: float


class TokenBuckets:
    """
    One token bucket per client: `burst` at once, `per_second` in the long run.

    `clock` gives seconds that only go forward. Clients are told apart by `client_key`.
    """

    def __init__(
        self, per_second: float, burst: float, max_clients: int = MAX_CLIENTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._per_second = per_second
        self._burst = burst
        self._max_clients = max_clients
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}  # least recently used first

    def take(self, client: str) -> bool:
        """Take a token of this client's; False when it has none left."""
        now = self._clock()
        key = client if client in self._buckets or self._has_room(now) else _SHARED
        bucket = self._buckets.pop(key, None)
        tokens = self._burst if bucket is None else self._level(bucket, now)
        is_granted = tokens >= 1.0
        self._buckets[key] = _Bucket(tokens - 1.0 if is_granted else tokens, now)
        return is_granted

    def _has_room(self, now: float) -> bool:
        """Whether another client can have a bucket, if need be in place of one that is full again: it says nothing."""
        if len(self._buckets) < self._max_clients:
            return True
        oldest = next(iter(self._buckets))
        if self._level(self._buckets[oldest], now) < self._burst:
            return False
        del self._buckets[oldest]
        return True

    def _level(self, bucket: _Bucket, now: float) -> float:
        return min(self._burst, bucket.tokens + (now - bucket.at) * self._per_second)
