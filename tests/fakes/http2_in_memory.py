"""
HTTP/2 without sockets: the far end of a connection, played by our own core in the other role, and upstreams that
choose a protocol like those with ALPN.

    client = Http2FarEnd(stream, Http2Client())
    client.core.send_head("GET", "https", b"ok.test", b"/", [], end=True)
    client.flush()
    assert (await client.take(ResponseReceived)).head.status == 200
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, Generic, TypeVar, cast

from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import LONG, FarEnd, turns

from iron_proxy.errors import IronProxyError, UpstreamALPNRefused
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import DataReceived, Event, RequestReceived
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.server import Http2Server
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.outbound_proxy import DIRECT, Route

CoreT = TypeVar("CoreT", Http2Client, Http2Server)
EventT = TypeVar("EventT", bound=Event)

PERMIT = Permit(Target("ok.test", 443), "https", Admission("a rule"))


class MemoryTLS(MemoryStream, TLSStream):  # type: ignore[override]  # what both define is the memory stream's
    """A memory stream that passes for one with TLS, whose handshake has chosen `alpn`."""

    peer = ""
    version = "TLSv1.3"
    session = None
    alpn = None

    def __init__(self, alpn: str | None = "h2") -> None:
        MemoryStream.__init__(self, "192.0.2.9:9")
        self.alpn = alpn

    def read_nowait(self) -> bytes:
        return self._pieces.popleft() if self._pieces else b""


class Http2FarEnd(Generic[CoreT]):
    """The other side of a connection. What has come in waits in `events`; credit is given back unless `is_slow`."""

    def __init__(self, stream: MemoryStream, core: CoreT) -> None:
        self.stream = stream
        self.core: CoreT = core
        self.events: list[Event] = []
        self.is_slow = False

    def flush(self) -> None:
        """Send what was said."""
        if data := self.core.take_outgoing():
            self.stream.write_nowait(data)

    async def take(self, kind: type[EventT], stream_id: int | None = None) -> EventT:
        """The next event of a kind, of one stream if it matters; the others stay."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and stream_id in (None, getattr(event, "stream_id", None)):
                    self.events.remove(event)
                    return event
            data = await self.stream.read(LONG)
            assert data, f"the connection ended; there are {self.events}"
            self._receive(data)

    async def take_all(self) -> list[Event]:
        """Everything that has come once nothing more happens."""
        await turns()
        while self.stream.has_unread:
            self._receive(await self.stream.read(LONG))
            await turns()
        events, self.events = self.events, []
        return events

    async def take_body(self, stream_id: int, size: int) -> bytes:
        """So many bytes of a body."""
        body = b""
        while len(body) < size:
            body += (await self.take(DataReceived, stream_id)).data
        return body

    def _receive(self, data: bytes) -> None:
        for event in self.core.receive(data):
            self.events.append(event)
            if isinstance(event, DataReceived) and not self.is_slow:
                self.core.give_credit(event.stream_id, event.credit)
        if not self.stream.is_gone and not self.stream.has_ended:
            self.flush()


def ask(client: Http2FarEnd[Http2Client], path: bytes = b"/", method: str = "GET", **more: Any) -> int:
    """Send a request's head; its stream's number."""
    fields: dict[str, Any] = {"pairs": [], "end": True} | more
    stream_id: int = client.core.send_head(method, "https", b"ok.test", path, **fields)
    client.flush()
    return stream_id


def answer(
    upstream: Http2FarEnd[Http2Server], stream_id: int, body: bytes = b"", status: int = 200, *, end: bool = True
) -> None:
    """Answer a request."""
    upstream.core.send_head(stream_id, status, [], end=end and not body)
    if body:
        upstream.core.send_data(stream_id, body, end=end)
    upstream.flush()


async def answer_next(upstream: Http2FarEnd[Http2Server], body: bytes = b"") -> RequestReceived:
    """Answer the next request that comes; the request."""
    request = await upstream.take(RequestReceived)
    answer(upstream, request.stream_id, body)
    return request


def refuse(upstream: Http2FarEnd[Http2Server], stream_id: int, code: ErrorCode = ErrorCode.REFUSED_STREAM) -> None:
    """Reset a request's stream."""
    upstream.core.reset(stream_id, code)
    upstream.flush()


class ChoosingDialer:
    """Dials into memory; an upstream speaks the first of `speaks` that it is offered."""

    def __init__(self, *speaks: str) -> None:
        self.speaks: Iterable[str] = speaks
        self.offers: list[tuple[str, ...]] = []
        self.sessions: list[ssl.SSLSession | None] = []
        self.failures: list[IronProxyError] = []
        self.near: list[MemoryTLS] = []
        self.far: list[MemoryStream] = []
        self.gate = asyncio.Event()  # no handshake ends before it is set
        self.gate.set()
        self.permits: list[Permit] = []
        self._dialled = asyncio.Event()

    def route(self, permit: Permit, *, tunnel: bool = False) -> Route:
        return DIRECT

    async def dial(
        self, permit: Permit, session: ssl.SSLSession | None = None, *, alpn: tuple[str, ...] = (), tunnel: bool = False
    ) -> Stream:
        self.permits.append(permit)
        self.offers.append(alpn)
        self.sessions.append(session)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        chosen = next((protocol for protocol in self.speaks if protocol in alpn), None)
        if chosen is None:
            raise UpstreamALPNRefused("no application protocol")
        near, far = MemoryTLS(chosen), MemoryStream()
        near.join(far)
        self.near.append(near)
        self.far.append(far)
        self._dialled.set()
        return cast(Stream, near)

    async def upstream(self, position: int = 0) -> Http2FarEnd[Http2Server]:
        """The upstream that was dialled at this position, once it is; it has sent its settings."""
        far_end = Http2FarEnd(await self._far(position), Http2Server("https"))
        far_end.flush()
        return far_end

    async def http1_upstream(self, position: int = 0) -> FarEnd:
        """The same for one that speaks HTTP/1.1."""
        return FarEnd(await self._far(position))

    async def _far(self, position: int) -> MemoryStream:
        async with asyncio.timeout(LONG):
            while len(self.far) <= position:
                self._dialled.clear()
                await self._dialled.wait()
        return self.far[position]
