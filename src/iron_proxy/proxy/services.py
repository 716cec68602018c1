"""What every connection shares. Built by `runtime/assemble.py`; tests hand in fakes."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.proxy import timeouts
from iron_proxy.proxy.snapshot import Snapshot
from iron_proxy.streams.http1_reader import Stream
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
    """A connection that a stop closes when nothing is going on in it."""

    def close_if_idle(self) -> None:
        """Close, unless something is going on."""
        ...


class _Opening:
    """A connection whose client has not said what it wants: idle by definition."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def close_if_idle(self) -> None:
        self._stream.close()


@dataclass(slots=True)
class Services:
    """Shared by all connections of one process. `snapshot` is replaced as a whole by a reload."""

    snapshot: Snapshot
    audit: AuditEmitter
    dialer: Dialer
    pool: Pool
    leaves: Leaves
    response_header_timeout: float = 30.0
    upgrades: frozenset[str] = frozenset(("websocket",))        # what a request may be upgraded to, in lower case
    websocket_idle_timeout: float = timeouts.RELAY_IDLE         # for other upgrades as well
    websocket_max_duration: float | None = None                 # likewise; None is no limit
    draining: bool = False                       # no new request on kept connections
    connections: set[Closable] = field(default_factory=set)

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
