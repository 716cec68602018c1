"""A connection to an upstream over HTTP/2 that exchanges share, with the upstream at its far end."""

import asyncio
from typing import cast

from tests.fakes.http2_in_memory import Http2FarEnd, MemoryTLS
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import turns

from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.protocols.http2.events import RequestReceived
from iron_proxy.protocols.http2.server import Http2Server
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.http2_client import Http2Exchange, Http2Upstream

KEY = ("https", Target("ok.test", 443), False)


async def send_whole(exchange: Http2Exchange, asked: Request, content: bytes = b"") -> None:
    """A request whose body is all here, and all of it taken."""
    if (unsent := exchange.send_whole(asked, content)) is not None:
        await unsent


class Shared:
    """A connection, the task that reads it, and the upstream at its far end."""

    def __init__(self) -> None:
        self.near, far = MemoryTLS(), MemoryStream()
        self.near.join(far)
        self.connection = Http2Upstream(cast(TLSStream, self.near), KEY)
        self.reading = asyncio.create_task(self.connection.run())
        self.upstream = Http2FarEnd(far, Http2Server("https"))

    async def settled(self) -> "Shared":
        """Once the upstream has said how many streams it takes."""
        self.upstream.flush()
        await self.connection.settle()
        return self

    async def ask(self, method: str = "GET", content: bytes = b"") -> tuple[Http2Exchange, RequestReceived]:
        """A request that the upstream has."""
        exchange = self.connection.open_exchange()
        await send_whole(exchange, request(method, content), content)
        return exchange, await self.upstream.take(RequestReceived)

    async def upload(self) -> tuple[Http2Exchange, RequestReceived]:
        """A request whose body is still to come."""
        exchange = self.connection.open_exchange()
        await exchange.send_head(request("POST", None))
        return exchange, await self.upstream.take(RequestReceived)

    async def has_closed(self) -> bool:
        """Whether the connection has come to its end."""
        await turns()
        return self.reading.done() and self.near.is_closed


def request(method: str = "GET", content: bytes | None = b"") -> Request:
    body = Body(None, None) if content is None else Body.of(content) if content else Body.empty()
    return Request(method, "https", Target("ok.test", 443), b"/a", b"q=1", Headers([(b"X-A", b"1")]), body)
