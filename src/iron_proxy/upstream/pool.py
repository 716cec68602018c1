"""Idle upstream connections by origin, most recently used first, so that the rest can age and go."""

import asyncio
import ssl
from collections import OrderedDict
from functools import partial
from time import monotonic

from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http1_client import OriginKey, UpstreamConnection

# Parity: upstream keeps a connection for 90 s (but only two of them per host, so that it re-handshakes under load).
IDLE_SECONDS = 90.0
# A busy workload has hundreds of requests to one API in flight; each idle TLS connection weighs some 40 KiB.
MAX_IDLE_PER_ORIGIN = 256
MAX_IDLE = 1024
# One TLS session per origin, for resumption.
MAX_SESSIONS = 1024
_SWEEP_SECONDS = 15.0


class Pool:
    """Idle connections and TLS sessions of one process."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._idle: dict[OriginKey, list[UpstreamConnection]] = {}
        self._count = 0
        self._sessions: OrderedDict[OriginKey, ssl.SSLSession] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def take_idle(self, permit: Permit) -> UpstreamConnection | None:
        """An idle connection for this permit, or None."""
        connections = self._idle.get((permit.scheme, permit.target, permit.admission.names_address))
        while connections:
            connection = connections.pop()
            self._count -= 1
            connection.is_idle = False
            if connection.is_quiet():
                return connection
            connection.close()
        return None

    async def connect(self, permit: Permit) -> UpstreamConnection:
        """A new connection. Raises UpstreamError."""
        key = (permit.scheme, permit.target, permit.admission.names_address)
        stream = await self._dialer.dial(permit, self._sessions.get(key))
        connection = UpstreamConnection(stream, key)
        stream.on_end(partial(self._note_end, connection))
        return connection

    def give_back(self, connection: UpstreamConnection) -> None:
        """Take a connection whose response has been read to its end, or close it when there are enough."""
        key = connection.key
        connections = self._idle.get(key)
        is_full = self._count >= MAX_IDLE or (connections is not None and len(connections) >= MAX_IDLE_PER_ORIGIN)
        if is_full or connection.stream.has_ended:
            connection.close()
            return
        if connections is None:               # only now: an origin that nothing is kept of must leave nothing here
            connections = self._idle[key] = []
        if connection.uses == 1:
            self._remember_session(key, connection)
        connection.idle_since = monotonic()
        connection.is_idle = True
        connections.append(connection)
        self._count += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _remember_session(self, key: OriginKey, connection: UpstreamConnection) -> None:
        if isinstance(connection.stream, TLSStream) and (session := connection.stream.session) is not None:
            self._sessions[key] = session
            self._sessions.move_to_end(key)
            if len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)

    def _note_end(self, connection: UpstreamConnection) -> None:
        """The upstream has ended a connection; if nobody is using it, it goes."""
        if connection.is_idle:
            connection.is_idle = False
            self._idle[connection.key].remove(connection)
            self._count -= 1
            connection.close()

    def _sweep(self) -> None:
        oldest = monotonic() - IDLE_SECONDS
        for key, connections in list(self._idle.items()):
            while connections and connections[0].idle_since < oldest:
                self._count -= 1
                expired = connections.pop(0)
                expired.is_idle = False
                expired.close()
            if not connections:
                del self._idle[key]
        self._timer = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep) if self._count else None

    def close(self) -> None:
        """Close every idle connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connections in self._idle.values():
            for connection in connections:
                connection.is_idle = False
                connection.close()
        self._idle.clear()
        self._count = 0

