"""
A secret that is fetched when first asked for and again when its time is up, by one caller at a time.

Once a fetch has succeeded a failure never surfaces: the last good value is served, also while another caller is
fetching. The fetch belongs to the caller that began it: when that one is cancelled the next in line fetches. What to
fetch is the source's business.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable

from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources.source import Secret

# A secret store that has not answered by then is down; clients of a proxy give up after about as long.
FETCH_TIMEOUT = 30.0
# After a failed first fetch: long enough to spare a store in trouble, short enough that a fix is seen soon.
DEFAULT_FAILURE_TTL = 60.0
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
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._ttl = ttl
        self._failure_ttl = failure_ttl or DEFAULT_FAILURE_TTL
        self._clock = clock
        self._fetch_timeout = fetch_timeout
        self._secret: Secret | None = None
        self._failure = ""
        self._expires = -math.inf
        self._fetching = asyncio.Lock()

    @property
    def current(self) -> Secret | None:
        """The value while it is fresh."""
        return self._secret if self._clock() < self._expires else None

    async def get(self) -> Secret:
        """The value, fetched if need be. Raises SecretUnavailable while no fetch has ever succeeded."""
        if self._clock() < self._expires:
            return self._current()
        if self._secret is not None and self._fetching.locked():
            return self._secret
        async with self._fetching:
            if self._clock() >= self._expires:
                await self._refresh()
            return self._current()

    def _current(self) -> Secret:
        if self._secret is None:
            raise SecretUnavailable(self._failure)
        return self._secret

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._fetch_timeout):
                self._secret = await self._fetch()
        except SecretUnavailable as error:
            self._note_failure(str(error))
        except TimeoutError:
            self._note_failure(f'fetching secret "{self._name}" took longer than {self._fetch_timeout:g} s')
        else:
            self._expires = self._after(self._ttl) if self._ttl else math.inf

    def _note_failure(self, message: str) -> None:
        if self._secret is not None:
            self._expires = self._after(self._ttl / 2)
            _log.warning(
                "failed to refresh secret, serving stale value",
                extra={"fields": {"secret": self._name, "error": message}},
            )
            return
        self._failure = message
        self._expires = self._after(self._failure_ttl)
        retry_in = int(self._failure_ttl * _NANOSECONDS)
        _log.warning(
            "failed to fetch secret, caching error",
            extra={"fields": {"secret": self._name, "error": message, "retry_in": retry_in}},
        )

    def _after(self, seconds: float) -> float:
        # Parity: with a negative lifetime nothing is ever fresh.
        return self._clock() + seconds if seconds > 0 else -math.inf
