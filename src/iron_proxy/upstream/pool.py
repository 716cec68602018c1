"""
Connections to upstreams by origin: idle ones of HTTP/1.1, most recently used first, and shared ones of HTTP/2.

A request over HTTP/2 is offered to its upstream as HTTP/2 or 1.1, one over HTTP/1.1 as that: so it keeps the spelling
and the order of its fields, and its reason phrase. An upstream that speaks only one version gets that one.
"""

import asyncio
import ssl
from collections import OrderedDict
from enum import Enum
from functools import partial
from time import monotonic

from iron_proxy.config.schema import DEFAULT_LIMITS, LimitsConfig
from iron_proxy.errors import UpstreamALPNRefused, UpstreamProtocolError
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.bound_connections import BoundConnections
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http1_client import OriginKey, UpstreamConnection
from iron_proxy.upstream.http2_client import Http2Exchange
from iron_proxy.upstream.http2_sharing import SharedConnections
from iron_proxy.upstream.trust import HTTP1, HTTP2_OR_1

# Parity: upstream keeps a connection for 90 s (but only two of them per host, so that it re-handshakes under load).
IDLE_SECONDS = 90.0
# A busy workload has hundreds of requests to one API in flight; each idle TLS connection weighs some 40 KiB.
MAX_IDLE_PER_ORIGIN = 256
MAX_IDLE = 1024
# One TLS session per origin, for resumption.
MAX_SESSIONS = 1024
_SWEEP_SECONDS = 15.0


class Http2Use(Enum):
    """`proxy.http2`."""

    BOTH = "both"                # towards clients, and towards upstreams for the requests that came in that way
    CLIENTS = "clients"          # upstreams are spoken to in HTTP/1.1
    UPSTREAMS = "upstreams"      # for all requests; clients are spoken to in HTTP/1.1
    OFF = "off"


class Pool:
    """Idle connections and TLS sessions of one process."""

    def __init__(
        self, dialer: Dialer, http2: Http2Use = Http2Use.BOTH, limits: LimitsConfig = DEFAULT_LIMITS
    ) -> None:
        self._dialer = dialer
        self._limits = limits
        self._serves_http2 = http2 in (Http2Use.BOTH, Http2Use.UPSTREAMS)
        self._prefers_http2 = http2 is Http2Use.UPSTREAMS
        self._shared = SharedConnections(limits)
        self._bound = BoundConnections()
        self._idle: dict[OriginKey, list[UpstreamConnection]] = {}
        self._count = 0
        self.opened = 0                          # connections that were dialled, for metrics
        self._sessions: OrderedDict[tuple[OriginKey, tuple[str, ...]], ssl.SSLSession] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> int:
        """How many connections wait for a request; those that are shared or bound to a client aside."""
        return self._count

    def take_idle(
        self, permit: Permit, http2: bool = False, owner: object = None
    ) -> UpstreamConnection | Http2Exchange | None:
        """
        An idle connection, or room on a shared one, for this permit; or None.

        `http2`: of both, the latter first. `owner` is the client's: what it has authenticated comes before all others.
        """
        key = (permit.scheme, permit.target, permit.admission.names_address)
        if self._bound and (bound := self._bound.take(key, owner)) is not None:
            bound.is_idle = False
            if bound.is_quiet():
                return bound
            bound.close()
        if (http2 or self._prefers_http2) and (exchange := self._shared.take(key)) is not None:
            return exchange
        connections = self._idle.get(key)
        while connections:
            connection = connections.pop()
            self._count -= 1
            connection.is_idle = False
            if connection.is_quiet():
                return connection
            connection.close()
        return None

    def note_answer(self, connection: UpstreamConnection | Http2Exchange) -> None:
        """The first head of an answer is here, 1xx included: for whoever measures."""

    async def connect(self, permit: Permit, *, http2: bool = False) -> UpstreamConnection | Http2Exchange:
        """A new connection, or room on one that came up meanwhile. Raises UpstreamError."""
        key = (permit.scheme, permit.target, permit.admission.names_address)
        may_be_http2 = self._serves_http2 and permit.scheme == "https"
        if may_be_http2 and (http2 or self._prefers_http2 or self._shared.is_needed(key)):
            return await self._connect_either(permit, key)
        try:
            return self._connection(await self._dial(permit, key, HTTP1), permit, key, HTTP1)
        except UpstreamALPNRefused:
            if not may_be_http2:
                raise
        self._shared.note_need(key)
        return await self._connect_either(permit, key)

    async def connect_http1(self, permit: Permit) -> UpstreamConnection:
        """A new connection for a request that will become something else (an upgrade). Raises UpstreamError."""
        key = (permit.scheme, permit.target, permit.admission.names_address)
        stream = await self._dial(permit, key, HTTP1, tunnel=True)
        return self._connection(stream, permit, key, HTTP1, tunnel=True)

    async def _connect_either(self, permit: Permit, key: OriginKey) -> UpstreamConnection | Http2Exchange:
        async def dial() -> TLSStream:
            stream = await self._dial(permit, key, HTTP2_OR_1)
            if not isinstance(stream, TLSStream):
                stream.close()
                raise UpstreamProtocolError("HTTP/2 is spoken over TLS only")
            return stream

        opened = await self._shared.open(key, dial)
        self._look_after()
        return opened if isinstance(opened, Http2Exchange) else self._connection(opened, permit, key, HTTP2_OR_1)

    async def _dial(
        self, permit: Permit, key: OriginKey, alpn: tuple[str, ...], *, tunnel: bool = False
    ) -> SocketStream | TLSStream:
        self.opened += 1
        return await self._dialer.dial(permit, self._sessions.get((key, alpn)), alpn=alpn, tunnel=tunnel)

    def _connection(
        self,
        stream: SocketStream | TLSStream,
        permit: Permit,
        key: OriginKey,
        offered: tuple[str, ...],
        *,
        tunnel: bool = False,
    ) -> UpstreamConnection:
        connection = UpstreamConnection(stream, key, self._dialer.route(permit, tunnel=tunnel), self._limits)
        connection.offered = offered
        stream.on_end(partial(self._note_end, connection))
        return connection

    def give_back(self, connection: UpstreamConnection | Http2Exchange) -> None:
        """Take a connection whose response has been read to its end, or close it when there are enough."""
        if not isinstance(connection, UpstreamConnection):
            connection.close()                # its stream; the connection was never away
            return
        if connection.bound_to is not None:
            self._give_back_bound(connection)
            return
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
        if self._timer is None:               # looked at here: every request comes by
            self._look_after()

    def _give_back_bound(self, connection: UpstreamConnection) -> None:
        if connection.stream.has_ended:
            connection.close()
            return
        connection.idle_since = monotonic()
        connection.is_idle = True
        self._bound.keep(connection)
        self._look_after()

    def _look_after(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _remember_session(self, key: OriginKey, connection: UpstreamConnection) -> None:
        if isinstance(connection.stream, TLSStream) and (session := connection.stream.session) is not None:
            self._sessions[key, connection.offered] = session
            self._sessions.move_to_end((key, connection.offered))
            if len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)

    def _note_end(self, connection: UpstreamConnection) -> None:
        """The upstream has ended a connection; if nobody is using it, it goes."""
        if connection.is_idle:
            connection.is_idle = False
            if connection.bound_to is not None:
                self._bound.forget(connection)
            else:
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
        self._bound.sweep(oldest)
        self._timer = None
        if self._shared.sweep(oldest) + self._count + len(self._bound):
            self._look_after()

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
        self._bound.close()
        self._shared.close()

