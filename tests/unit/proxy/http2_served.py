"""The proxy's inside for clients that speak HTTP/2; its upstreams speak what a test says."""

import asyncio
from typing import cast

from tests.fakes.http2_in_memory import ChoosingDialer, Http2FarEnd
from tests.fakes.memory_stream import MemoryStreamPair
from tests.fakes.served import LONG, FarEnd, Served, turns

from iron_proxy.pipeline.transform import RequestTransform
from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import DataReceived, ResponseReceived, SettingsChanged
from iron_proxy.protocols.http2.server import Http2Server
from iron_proxy.proxy.http2_connection import Http2ClientConnection
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.pool import Http2Use, Pool


class Http2Caller(Http2FarEnd[Http2Client]):
    """A client."""

    connection: Http2ClientConnection
    serving: "asyncio.Task[None]"

    async def served(self) -> None:
        """Wait until the proxy is done with this client."""
        await asyncio.wait_for(asyncio.shield(self.serving), LONG)

    async def greeted(self) -> "Http2Caller":
        """Once both sides know each other's settings."""
        await self.take(SettingsChanged)
        await turns()
        return self

    async def answer_to(self, stream_id: int) -> tuple[int, bytes]:
        """The status and the first piece of a response's body."""
        response = await self.take(ResponseReceived, stream_id)
        return response.head.status, b"" if response.ends else (await self.take(DataReceived, stream_id)).data


class Http2Served(Served):
    """Services, and clients that a test opens on them. `speaks`: upstreams, in the order of their preference."""

    def __init__(self, *transforms: RequestTransform, speaks: tuple[str, ...] = ("http/1.1",)) -> None:
        super().__init__(*transforms)
        self.origin = ChoosingDialer(*speaks)
        self.services.dialer = cast(Dialer, self.origin)
        self.services.pool = Pool(cast(Dialer, self.origin), Http2Use.BOTH)

    def call(self, *, greets: bool = True) -> Http2Caller:
        """A new client, served from now on."""
        pair = MemoryStreamPair()
        pair.right.peer = "192.0.2.9:9"
        caller = Http2Caller(pair.left, Http2Client())
        caller.connection = Http2ClientConnection(cast(TLSStream, pair.right), self.services, server_name="ok.test")
        caller.serving = self.task(caller.connection.serve())
        if greets:
            caller.flush()
        return caller

    async def http1_upstream(self, position: int = 0) -> FarEnd:
        """One that speaks HTTP/1.1, once it is dialled."""
        return await self.origin.http1_upstream(position)

    async def http2_upstream(self, position: int = 0) -> Http2FarEnd[Http2Server]:
        """One that speaks HTTP/2, once it is dialled."""
        return await self.origin.upstream(position)
