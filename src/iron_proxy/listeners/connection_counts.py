"""
How many connections each client has: beyond its share it is refused, so that another client always finds room.

One object for all listeners of a process; two dictionary operations a connection, nothing for a request. What was
refused is told once a second, with its number: a flood of connections must not become a flood of records.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from iron_proxy.audit.record import EventRecord, timestamp
from iron_proxy.config.capacity import Capacity

# A client that is refused mostly comes again at once; whoever reads the log learns of it soon enough.
TELL_EVERY: Final = 1.0
# Clients with a record of their own each time; those beyond share one. Who owns a /48 has 65,536 addresses.
MAX_CLIENTS_TOLD: Final = 20
# As the keys of `limits`, which the records name.
IN_ALL: Final = "connections"
PER_CLIENT: Final = "connections_per_client"

_REASONS = {
    IN_ALL: "there are as many connections as there may be",
    PER_CLIENT: "the client has as many connections as it may have",
}

CallLater = Callable[[float, Callable[[], None]], object]


def _call_later(delay: float, callback: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(delay, callback)


class ConnectionCounts:
    """
    Connections that are open, by client (`messages/client_key.py`). A reload may put another `capacity` in force.

    `emit` takes the records of what was refused.
    """

    def __init__(
        self, capacity: Capacity, emit: Callable[[EventRecord], None], call_later: CallLater = _call_later
    ) -> None:
        self.capacity = capacity
        self.total = 0
        self._emit = emit
        self._call_later = call_later
        self._by_client: dict[str, int] = {}
        self._refused: Counter[tuple[str, str]] = Counter()      # limit, client

    def enter(self, client: str) -> bool:
        """Count a new connection, which `leave` ends; or False when there is no room for it."""
        count, capacity = self._by_client.get(client, 0), self.capacity
        if count >= capacity.per_client:
            self._refuse(PER_CLIENT, client)
            return False
        if self.total >= capacity.connections:
            self._refuse(IN_ALL, client)
            return False
        self._by_client[client] = count + 1
        self.total += 1
        return True

    def leave(self, client: str) -> None:
        """A connection that had entered has ended."""
        self.total -= 1
        left = self._by_client[client] - 1
        if left:
            self._by_client[client] = left
        else:
            del self._by_client[client]              # clients that are gone must leave nothing here

    def _refuse(self, limit: str, client: str) -> None:
        if not self._refused:
            self._call_later(TELL_EVERY, self.tell_refused)
        known = (limit, client) in self._refused or len(self._refused) < MAX_CLIENTS_TOLD
        self._refused[limit, client if known else ""] += 1

    def tell_refused(self) -> None:
        """Records of what was refused since the last time, if anything was."""
        refused, self._refused = self._refused, Counter()
        for (limit, client), count in refused.items():
            self._emit(self._record(limit, client, count))

    def _record(self, limit: str, client: str, count: int) -> EventRecord:
        capacity = self.capacity
        value = capacity.per_client if limit == PER_CLIENT else capacity.connections
        return EventRecord(
            time=timestamp(),
            level="WARN",
            event="limit",
            action="reject",
            reason=_REASONS[limit],
            remote_addr=client,
            limit={"name": f"limits.{limit}", "value": value, "refused": count},
        )
