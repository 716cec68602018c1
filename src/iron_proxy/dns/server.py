"""
The DNS server: sockets that it is given, whoever bound them, and the life of what answers on them.

`runtime/` binds the sockets, or a network namespace's jail hands them out; `datagrams.py` and `streams.py` read and
write on them; `responder.py` knows the answers.
"""

import asyncio
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from iron_proxy.dns.datagrams import DatagramEndpoint
from iron_proxy.dns.responder import Responder
from iron_proxy.dns.streams import Stream, StreamLimits


class DNSServer:
    """Answers from entry to exit of `async with`, or until `aclose`."""

    def __init__(self, responder: Responder, stream_limits: StreamLimits | None = None) -> None:
        self.responder = responder
        self._stream_limits = stream_limits or StreamLimits()
        self._endpoints: list[DatagramEndpoint] = []
        self._listeners: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        await self.responder.tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
        # Told nothing of `error`, the group only waits; it would wrap an exception of the caller's in a group.
        await self.responder.tasks.__aexit__(None, None, None)

    async def serve(self, datagrams: Sequence[socket.socket] = (), streams: Sequence[socket.socket] = ()) -> None:
        """
        Start to answer on bound UDP and TCP sockets and return. The server closes them from now on.

        They may belong to another network namespace. May be called again with more of them.
        """
        loop = asyncio.get_running_loop()
        for sock in datagrams:
            endpoint = DatagramEndpoint(self.responder, sock)
            self._endpoints.append(endpoint)
            endpoint.open()
        for sock in streams:
            sock.setblocking(False)
            listener = await loop.create_server(lambda: Stream(self.responder, self._stream_limits), sock=sock)
            self._listeners.append(listener)

    async def aclose(self) -> None:
        """Stop at once: sockets closed, connections dropped, lookups cancelled. May be called more than once."""
        for endpoint in self._endpoints:
            endpoint.close()
        for listener in self._listeners:
            listener.close()
        for stream in tuple(self._stream_limits.open):
            stream.abort()
        self.responder.stop()
        for listener in self._listeners:
            await listener.wait_closed()
        self._endpoints.clear()
        self._listeners.clear()
