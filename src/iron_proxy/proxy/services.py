"""
What every connection shares: of one configuration (`Services`), and beyond any (`Process`).

A reload builds other services and puts them in place of the old ones as one object: whoever begins something takes
`newest`, and keeps that to the end of what it has begun. Built by `runtime/assemble.py`; tests hand in fakes.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.config.schema import DEFAULT_BODY_MEMORY, DEFAULT_LIMITS, DEFAULT_WEBSOCKET_IDLE_TIMEOUT, LimitsConfig
from iron_proxy.messages.body_memory import BodyMemory, HeldBody
from iron_proxy.messages.client_key import client_key_of_peer
from iron_proxy.proxy.sight import Sight
from iron_proxy.proxy.snapshot import Snapshot
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.upstream.deny_list import DenyList
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.pool import Pool


class Leaves(Protocol):
    """Where server-side TLS contexts come from (`certs/leaf_cache.py`)."""

    def cached(self, host: str) -> ssl.SSLContext | None:
        """The context for a host, if it needs no signing now."""
        ...

    async def context_for(self, host: str, is_ip: bool, admitted: bool) -> ssl.SSLContext:
        """The context for a host, signing its leaf certificate if need be."""
        ...


class Closable(Protocol):
    """A connection that a stop closes when nothing is going on in it, and that can be looked at."""

    def close_if_idle(self) -> None:
        """Close, unless something is going on."""
        ...

    def sight(self) -> Sight:
        """What can be told of it at this moment."""
        ...


class _Opening:
    """A connection whose client has not said what it wants: idle by definition."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._since = monotonic()

    def close_if_idle(self) -> None:
        self._stream.close()

    def sight(self) -> Sight:
        return Sight("opening", self._stream.peer, monotonic() - self._since, self._stream.extra("socket"))


class Process:
    """What outlives a reload: connections, what they make us hold, whether they are to end, the newest services."""

    def __init__(self, body_memory: int = DEFAULT_BODY_MEMORY) -> None:
        self.body_memory = BodyMemory(body_memory)
        self.connections: set[Closable] = set()
        self.draining = False                    # no new request on kept connections
        self.newest: Services | None = None
        self.handshakes: dict[str, int] = {}     # of clients' TLS that succeeded, by version, for metrics

    def hold_body(self, peer: str) -> HeldBody:
        """Begin to count what is held of a client's request body."""
        return HeldBody(self.body_memory, client_key_of_peer(peer))

    def note_handshake(self, version: str) -> None:
        """Count one; once a connection."""
        self.handshakes[version] = self.handshakes.get(version, 0) + 1


@dataclass(slots=True, eq=False)
class Services:
    """
    Shared by all that begins under one configuration.

    Around everything that asks the snapshot and waits: `with services.in_use()`. Once replaced (`retire`) and no longer
    in use, they are closed by whoever replaced them.
    """

    snapshot: Snapshot
    audit: AuditEmitter
    dialer: Dialer
    pool: Pool
    leaves: Leaves
    limits: LimitsConfig = DEFAULT_LIMITS
    response_header_timeout: float = 30.0
    upgrades: frozenset[str] = frozenset(("websocket",))        # what a request may be upgraded to, in lower case
    websocket_idle_timeout: float = DEFAULT_WEBSOCKET_IDLE_TIMEOUT     # for other upgrades as well
    websocket_max_duration: float | None = None                 # likewise; None is no limit
    records_sessions: bool = False               # a record when they begin, too
    deny_list: DenyList | None = None            # that the dialer judges by, for whoever explains
    process: Process = field(default_factory=Process)
    users: int = field(default=0, init=False)    # exchanges under way
    # Set once nobody uses them any more; None while they are in force.
    _unused: asyncio.Event | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.process.newest is None:
            self.process.newest = self

    # --- which configuration ----------------------------------------------------------------------------------------

    @property
    def newest(self) -> "Services":
        """The services of the configuration in force: for what begins now."""
        return self.process.newest or self

    def retire(self, successor: "Services") -> asyncio.Event:
        """Put others in their place. The event is set when the last exchange that has these has ended."""
        self._unused = unused = asyncio.Event()
        self.process.newest = successor
        self.process.body_memory.limit = successor.limits.body_memory
        if not self.users:
            unused.set()
        return unused

    def release(self) -> None:
        """The end of what began with `users += 1`: `in_use` without a context manager's cost."""
        self.users -= 1
        if not self.users and self._unused is not None:
            self._unused.set()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Around an exchange, which they stay open for."""
        self.users += 1
        try:
            yield
        finally:
            self.release()

    # --- connections ------------------------------------------------------------------------------------------------

    @property
    def connections(self) -> set[Closable]:
        """All of the process."""
        return self.process.connections

    @property
    def draining(self) -> bool:
        """Whether the process is about to end."""
        return self.process.draining

    @draining.setter
    def draining(self, value: bool) -> None:
        self.process.draining = value

    @contextmanager
    def opening(self, stream: Stream) -> Iterator[None]:
        """Around the wait for what a client wants: a stop closes its connection, and the wait ends."""
        if self.draining:
            stream.close()
        opening = _Opening(stream)
        self.connections.add(opening)
        try:
            yield
        finally:
            self.connections.discard(opening)
