"""
Which HTTP/2 connections there are, by origin, and who may open the next one.

An origin is asked by ALPN once at a time: a hundred requests that come at once wait for the first one's handshake, then
share its connection if it speaks HTTP/2, or go their own ways over HTTP/1.1. Used by `pool.py`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from iron_proxy.config.schema import DEFAULT_LIMITS, LimitsConfig
from iron_proxy.errors import UpstreamError
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.http1_client import OriginKey
from iron_proxy.upstream.http2_client import Http2Exchange, Http2Upstream

# Origins that are remembered to speak one version only: HTTP/1.1, so that nobody waits for anybody there, or HTTP/2, so
# that nobody tries the other first.
MAX_REMEMBERED = 1024

Dial = Callable[[], Awaitable[TLSStream]]


class SharedConnections:
    """The HTTP/2 connections of one process."""

    def __init__(self, limits: LimitsConfig = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._connections: dict[OriginKey, list[Http2Upstream]] = {}
        self._opening: dict[OriginKey, asyncio.Future[None]] = {}
        self._http1_only: OrderedDict[OriginKey, None] = OrderedDict()
        self._http2_only: OrderedDict[OriginKey, None] = OrderedDict()
        self._readers: set[asyncio.Task[None]] = set()

    def take(self, key: OriginKey) -> Http2Exchange | None:
        """A stream on a connection that has room, or None."""
        for connection in self._connections.get(key, ()):
            if connection.can_open_stream:
                return connection.open_exchange()
        return None

    def is_needed(self, key: OriginKey) -> bool:
        """Whether an origin is known to speak nothing but HTTP/2."""
        return key in self._http2_only

    def note_need(self, key: OriginKey) -> None:
        """An origin has refused HTTP/1.1."""
        _remember(self._http2_only, key)

    async def open(self, key: OriginKey, dial: Dial) -> "Http2Exchange | TLSStream":
        """
        A stream on a connection that exists, or the outcome of `dial`, which offers both versions.

        A TLSStream is a new connection whose upstream chose HTTP/1.1. Raises what `dial` raises.
        """
        while key not in self._http1_only:
            exchange = self.take(key)
            if exchange is not None:
                return exchange
            if (opening := self._opening.get(key)) is not None:
                await asyncio.shield(opening)     # raises its failure: a hundred tries one by one help nobody
            elif (connection := self._unsettled(key)) is not None:
                await connection.settle()
            else:
                return await self._open_first(key, dial)
        return self._opened(await dial(), key)

    def _unsettled(self, key: OriginKey) -> Http2Upstream | None:
        """A connection whose upstream is about to say how many streams it takes."""
        for connection in self._connections.get(key, ()):
            if not connection.settled.done() and not connection.has_ended:
                return connection
        return None

    async def _open_first(self, key: OriginKey, dial: Dial) -> "Http2Exchange | TLSStream":
        self._opening[key] = opening = asyncio.get_running_loop().create_future()
        try:
            stream = await dial()
        except UpstreamError as error:
            opening.set_exception(error)
            opening.exception()               # nobody may be waiting
            raise
        finally:
            del self._opening[key]
            if not opening.done():            # also when our client left meanwhile: the next in line tries
                opening.set_result(None)
        return self._opened(stream, key)

    def _opened(self, stream: TLSStream, key: OriginKey) -> "Http2Exchange | TLSStream":
        """What the upstream has chosen; it may be another version than the last time."""
        if stream.alpn != "h2":
            _remember(self._http1_only, key)
            self._http2_only.pop(key, None)
            return stream
        self._http1_only.pop(key, None)
        return self._share(stream, key).open_exchange()

    def _share(self, stream: TLSStream, key: OriginKey) -> Http2Upstream:
        connection = Http2Upstream(stream, key, self._limits)
        self._connections.setdefault(key, []).append(connection)
        reader = asyncio.get_running_loop().create_task(self._read(connection), name="http2 upstream")
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        return connection

    async def _read(self, connection: Http2Upstream) -> None:
        try:
            await connection.run()
        finally:
            connections = self._connections.get(connection.key, [])
            if connection in connections:     # `close` forgets all of them
                connections.remove(connection)
                if not connections:
                    del self._connections[connection.key]

    def sweep(self, idle_since: float) -> int:
        """Close the connections that nobody has used since then; returns how many are left."""
        left = 0
        for connections in tuple(self._connections.values()):
            for connection in tuple(connections):
                if connection.is_idle and connection.idle_since < idle_since:
                    connection.close()
                else:
                    left += 1
        return left

    def close(self) -> None:
        """Close every connection."""
        for connections in tuple(self._connections.values()):
            for connection in tuple(connections):
                connection.close()
        self._connections.clear()             # a reader that is cancelled before its first step forgets nothing
        for reader in tuple(self._readers):
            reader.cancel()


def _remember(origins: OrderedDict[OriginKey, None], key: OriginKey) -> None:
    origins[key] = None
    if len(origins) > MAX_REMEMBERED:
        origins.popitem(last=False)
