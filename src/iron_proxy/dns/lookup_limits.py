"""
How many lookups of passthrough names may leave the machine, for one client and in all. `responder.py` asks.

A tunnel through DNS needs hundreds of new names a minute, a program that connects to something a handful. Whether a
name looks like data is not guessed: that refuses honest names and lets patient tunnels through.
"""

from typing import Final

from iron_proxy.dns import messages
from iron_proxy.dns.answers import Refused
from iron_proxy.dns.token_buckets import TokenBuckets

# Each lookup holds a socket for up to five seconds, of the 1024 that a process usually has and that the proxy needs.
MAX_LOOKUPS: Final = 256
# So that one client whose names nobody answers for leaves room for the others.
MAX_LOOKUPS_PER_CLIENT: Final = 64

_TOO_MANY = Refused("too many lookups by this client")
# A moment later there may be room: a stub resolver asks again.
_TOO_MANY_AT_ONCE = Refused("too many lookups at once", messages.SERVFAIL)


class LookupLimits:
    """So many a minute and so many at once for one client, and a total at once. Clients are `client_key`s."""

    def __init__(
        self,
        per_minute: int | None,
        *,
        at_once: int = MAX_LOOKUPS,
        at_once_per_client: int = MAX_LOOKUPS_PER_CLIENT,
    ) -> None:
        """`per_minute` None is no limit; a minute's worth may come at once."""
        self._buckets = None if per_minute is None else TokenBuckets(per_minute / 60, per_minute)
        self._at_once = at_once
        self._at_once_per_client = at_once_per_client
        self._under_way: dict[str, int] = {}
        self._total = 0

    def begin(self, client: str) -> Refused | None:
        """Count a lookup that begins, for `end` to be told of; or what to say to the client instead."""
        if self._total >= self._at_once or self._under_way.get(client, 0) >= self._at_once_per_client:
            return _TOO_MANY_AT_ONCE
        if self._buckets is not None and not self._buckets.take(client):
            return _TOO_MANY
        self._under_way[client] = self._under_way.get(client, 0) + 1
        self._total += 1
        return None

    def end(self, client: str) -> None:
        """One that began is over."""
        self._total -= 1
        self._under_way[client] -= 1
        if not self._under_way[client]:
            del self._under_way[client]
