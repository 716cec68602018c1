"""
A secret that is fetched when first asked for, and again in the background when its time is up.

The first fetch is waited for, by all who ask meanwhile; later ones are not: the last good value is served until a new
one is there, and a failure never surfaces. A refresh outlives the request that began it, so that the value owns it
until `aclose`. What to fetch is the source's business.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable

from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources.source import Fetches, Secret

# A secret store that has not answered by then is down; clients of a proxy give up after about as long.
FETCH_TIMEOUT = 30.0
# After a failed first fetch: long enough to spare a store in trouble, short enough that a fix is seen soon.
DEFAULT_FAILURE_TTL = 60.0
# Values that were fetched together are not refreshed together: up to this part of its lifetime a value goes earlier.
JITTER = 0.1
_NANOSECONDS = 1_000_000_000

_log = logging.getLogger("iron_proxy.secrets")


class ExpiringValue:
    """
    One secret with a success and a failure lifetime, in seconds.

    `ttl` 0 keeps a value for ever, a negative one fetches on every call; `failure_ttl` 0 means one minute.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[Secret]],
        ttl: float = 0.0,
        failure_ttl: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        fetch_timeout: float = FETCH_TIMEOUT,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._ttl = ttl
        self._failure_ttl = failure_ttl or DEFAULT_FAILURE_TTL
        self._clock = clock
        self._fetch_timeout = fetch_timeout
        self._chance = chance
        self._secret: Secret | None = None
        self._failure = ""
        self._expires = -math.inf
        self._tell_failure_after = -math.inf
        self._fetching = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        self.fetched_at: float | None = None        # by the clock; None before the first success
        self._succeeded = self._failed = 0

    @property
    def current(self) -> Secret | None:
        """The value while it is fresh."""
        return self._secret if self._clock() < self._expires else None

    @property
    def fetches(self) -> Fetches:
        """How many there were."""
        return Fetches(self._succeeded, self._failed)

    async def get(self) -> Secret:
        """The value, fetched if there is none yet. Raises SecretUnavailable while no fetch has ever succeeded."""
        if self._clock() < self._expires:
            return self._current()
        if self._secret is not None and self._ttl > 0:
            self._refresh_in_background()
            return self._secret
        if self._secret is not None and self._fetching.locked():
            return self._secret
        async with self._fetching:
            if self._clock() >= self._expires:
                await self._refresh()
            return self._current()

    async def aclose(self) -> None:
        """End a refresh that is going on."""
        task, self._refreshing = self._refreshing, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    def _current(self) -> Secret:
        if self._secret is None:
            raise SecretUnavailable(self._failure)
        return self._secret

    def _refresh_in_background(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            loop = asyncio.get_running_loop()
            # No request is its parent: it goes on when they have ended. This object holds it, and `aclose` ends it.
            self._refreshing = loop.create_task(self._refresh(), name=f"refresh of {self._name}")

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._fetch_timeout):
                self._secret = await self._fetch()
        except SecretUnavailable as error:
            self._note_failure(str(error))
        except TimeoutError:
            self._note_failure(f'fetching secret "{self._name}" took longer than {self._fetch_timeout:g} s')
        except Exception as error:  # noqa: BLE001  # nobody waits for a refresh: whatever it is must be told here
            self._note_failure(f'fetching secret "{self._name}" raised {type(error).__name__}')
        else:
            self._succeeded += 1
            self.fetched_at = self._clock()
            self._tell_failure_after = -math.inf    # the next failure is another one
            self._expires = self._after(self._ttl * (1 - JITTER * self._chance())) if self._ttl else math.inf

    def _note_failure(self, message: str) -> None:
        self._failed += 1
        if self._secret is not None:
            self._expires = self._after(self._ttl / 2)
            self._tell_stale(message)
            return
        self._failure = message
        self._expires = self._after(self._failure_ttl)
        retry_in = int(self._failure_ttl * _NANOSECONDS)
        _log.warning(
            "failed to fetch secret, caching error",
            extra={"fields": {"secret": self._name, "error": message, "retry_in": retry_in}},
        )

    def _tell_stale(self, message: str) -> None:
        """Once per `failure_ttl`: a short `ttl` would fill the log while the store is down."""
        now = self._clock()
        if now < self._tell_failure_after:
            return
        self._tell_failure_after = now + max(self._failure_ttl, 0.0)
        _log.warning(
            "failed to refresh secret, serving stale value",
            extra={"fields": {"secret": self._name, "error": message}},
        )

    def _after(self, seconds: float) -> float:
        # Parity: with a negative lifetime nothing is ever fresh.
        return self._clock() + seconds if seconds > 0 else -math.inf
