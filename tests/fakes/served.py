"""
The proxy's inside without sockets: clients and upstreams are memory streams, audit records a list.

    async with Served(FakeAllowlist("ok.test")) as proxy:
        proxy.answers(b"HTTP/1.1 204 No Content\r\n\r\n")
        client = proxy.open()
        client.send(b"GET / HTTP/1.1\r\nHost: ok.test\r\n\r\n")
        assert await client.receive_until(b"\r\n\r\n") == ...

`proxy.upstreams` are the far ends of what was dialled. Nothing waits longer than `LONG`.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Self, cast

from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.errors import IronProxyError
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission, Tunnel
from iron_proxy.pipeline.pipeline import Permit, Pipeline
from iron_proxy.pipeline.transform import RequestTransform
from iron_proxy.proxy.connection import ClientConnection, Handler
from iron_proxy.proxy.handler import handle
from iron_proxy.proxy.services import Services
from iron_proxy.proxy.snapshot import Snapshot
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http1_client import UpstreamConnection
from iron_proxy.upstream.outbound_proxy import DIRECT, Route
from iron_proxy.upstream.pool import Pool

LONG = 5.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: ok.test\r\n\r\n"
PERMIT = Permit(Target("ok.test", 80), "http", Admission("a rule"))


class FarEnd:
    """A client or an upstream, as a test plays it."""

    def __init__(self, stream: MemoryStream, serving: "asyncio.Task[None] | None" = None) -> None:
        self.stream = stream
        self._serving = serving

    def send(self, data: bytes) -> None:
        """Send at once."""
        self.stream.write_nowait(data)

    async def receive_until(self, end: bytes) -> bytes:
        """All bytes up to and with `end`."""
        received = b""
        while end not in received:
            piece = await self.stream.read(LONG)
            assert piece, f"the connection ended behind {received!r}"
            received += piece
        size = received.index(end) + len(end)
        self.stream.push_back(received[size:])
        return received[:size]

    async def receive_to_end(self) -> bytes:
        """All bytes until the other side ends."""
        received = b""
        while piece := await self.stream.read(LONG):
            received += piece
        return received

    async def is_reset(self) -> bool:
        """Read on until the connection ends: whether it broke, and did not end in order."""
        try:
            await self.receive_to_end()
        except StreamReset:
            return True
        return False

    @property
    def is_served(self) -> bool:
        """Whether the proxy is done with this client."""
        return self._serving is not None and self._serving.done()

    async def served(self) -> None:
        """Wait until the proxy is done with this client."""
        assert self._serving is not None
        async with asyncio.timeout(LONG):
            await asyncio.shield(self._serving)

    def cancel(self) -> None:
        """What a stop does to a connection that does not end."""
        assert self._serving is not None
        self._serving.cancel()


class FakeDialer:
    """Dials into memory; each new upstream has the next of `answers` on its way already, or fails with it."""

    def __init__(self) -> None:
        self.permits: list[Permit] = []
        self.raw_permits: list[Permit] = []          # the ones among them for which no TLS was to be started
        self.upstreams: list[FarEnd] = []
        self.answers: list[bytes | IronProxyError] = []
        self._dialled = asyncio.Event()

    def route(self, permit: Permit, *, tunnel: bool = False) -> Route:
        return DIRECT

    async def dial(
        self, permit: Permit, session: ssl.SSLSession | None = None, *, alpn: tuple[str, ...] = (), tunnel: bool = False
    ) -> Stream:
        self.permits.append(permit)
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, IronProxyError):
            raise answer
        pair = MemoryStreamPair()
        pair.left.write_nowait(answer)
        self.upstreams.append(FarEnd(pair.left))
        self._dialled.set()
        return cast(Stream, pair.right)

    async def dial_raw(self, permit: Permit) -> Stream:
        self.raw_permits.append(permit)
        return await self.dial(permit)

    async def upstream(self, position: int) -> FarEnd:
        """The upstream that was dialled at this position, once it is."""
        async with asyncio.timeout(LONG):
            while len(self.upstreams) <= position:
                self._dialled.clear()
                await self._dialled.wait()
        return self.upstreams[position]


class FakeLeaves:
    """TLS contexts by name; `asked` are the ones it would have had to sign."""

    def __init__(self) -> None:
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.failure: IronProxyError | None = None
        self.make: Callable[[str], ssl.SSLContext] | None = None
        self.asked: list[tuple[str, bool, bool]] = []

    def cached(self, host: str) -> ssl.SSLContext | None:
        return self.contexts.get(host)

    async def context_for(self, host: str, is_ip: bool, admitted: bool) -> ssl.SSLContext:
        self.asked.append((host, is_ip, admitted))
        if self.failure is not None:
            raise self.failure
        assert self.make is not None
        return self.make(host)


class Served:
    """Services around fakes, and the connections that a test opens on them."""

    def __init__(self, *transforms: RequestTransform, allow_by_default: bool = True) -> None:
        self.written: list[bytes] = []
        self.dialer = FakeDialer()
        self.leaves = FakeLeaves()
        self.pipeline = Pipeline(transforms, allow_by_default=allow_by_default)
        dialer = cast(Dialer, self.dialer)
        self.services = Services(
            snapshot=Snapshot(self.pipeline),
            audit=AuditEmitter(ENVELOPES["seed"], self.written.append),
            dialer=dialer,
            pool=Pool(dialer),
            leaves=self.leaves,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        self.services.pool.close()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def limit(self, **limits: float) -> None:
        """Other `limits` for what begins from now on."""
        self.services.limits = replace(self.services.limits, **limits)  # type: ignore[arg-type]  # no count is a float

    @property
    def upstreams(self) -> list[FarEnd]:
        """Everything that was dialled."""
        return self.dialer.upstreams

    async def upstream(self, position: int = 0) -> FarEnd:
        """An upstream, once it is dialled."""
        return await self.dialer.upstream(position)

    def answers(self, *answers: bytes | IronProxyError) -> None:
        """What the next upstreams will say, one each; an error is a failure to connect."""
        self.dialer.answers += answers

    async def records(self) -> list[dict[str, Any]]:
        """The audit records so far. One may be written a moment behind the answer's last byte."""
        await turns()
        self.services.audit.flush()
        return [json.loads(line) for line in b"".join(self.written).splitlines()]

    async def actions(self) -> list[tuple[str, int]]:
        """The records' action and status."""
        return [(record["action"], record["status_code"]) for record in await self.records()]

    def connection(
        self, stream: MemoryStream, *, scheme: str = "http", tunnel: Tunnel | None = None
    ) -> ClientConnection:
        """A client's connection that nobody serves yet."""
        return ClientConnection(cast(Stream, stream), self.services, scheme=scheme, tunnel=tunnel)

    def open(self, handler: Handler = handle, *, scheme: str = "http", tunnel: Tunnel | None = None) -> FarEnd:
        """A new client, served from now on."""
        return self.run(lambda stream: self.connection(stream, scheme=scheme, tunnel=tunnel).serve(handler))

    def run(self, serve: Callable[[MemoryStream], Awaitable[None]]) -> FarEnd:
        """A new client, whose stream is given to `serve`."""
        pair = MemoryStreamPair()
        pair.left.peer = "192.0.2.9:9"
        return FarEnd(pair.left, self.task(_awaited(serve, pair.right)))

    def task(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Something that runs beside the test and is stopped with it."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.append(task)
        return task

    async def idle_upstream(self) -> FarEnd:
        """An upstream whose connection lies idle in the pool after one exchange."""
        pair = MemoryStreamPair()
        connection = UpstreamConnection(cast(Stream, pair.right), (PERMIT.scheme, PERMIT.target, False))
        connection.uses = 1
        self.services.pool.give_back(connection)
        self.dialer.upstreams.append(upstream := FarEnd(pair.left))
        return upstream


async def _awaited(serve: Callable[[MemoryStream], Awaitable[None]], stream: MemoryStream) -> None:
    await serve(stream)


async def turns(count: int = 10) -> None:
    """Let everything that can run do so."""
    for _ in range(count):
        await asyncio.sleep(0)
