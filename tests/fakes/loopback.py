"""Real streams over loopback, plain and TLS, joined as pairs; and an upstream server that hands out its streams."""

import asyncio
import socket
import ssl
from functools import cache
from typing import Self

import trustme

from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream


@cache
def authority() -> trustme.CA:
    """One CA for all tests of a process: making a key takes a while."""
    return trustme.CA()


def server_context(*names: str, ca: trustme.CA | None = None) -> ssl.SSLContext:
    """A server's context with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (ca or authority()).issue_cert(*names).configure_cert(context)
    return context


def client_context(ca: trustme.CA | None = None) -> ssl.SSLContext:
    """A client's context that trusts the CA and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    (ca or authority()).configure_trust(context)
    return context


async def stream_of(sock: socket.socket) -> SocketStream:
    """A stream over a connected socket."""
    sock.setblocking(False)
    _, stream = await asyncio.get_running_loop().create_connection(SocketStream, sock=sock)
    return stream


async def connected_streams() -> tuple[SocketStream, SocketStream]:
    """Two ends of one TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        left = socket.create_connection(listening.getsockname())
        right, _ = listening.accept()
    return await stream_of(left), await stream_of(right)


class LoopbackStreamPair:
    """Two plain streams."""

    left: SocketStream
    right: SocketStream

    async def __aenter__(self) -> Self:
        self.left, self.right = await connected_streams()
        return self

    async def __aexit__(self, *_: object) -> None:
        await closed(self.left, self.right)


class TLSStreamPair:
    """A client's (left) and a server's stream after their handshake, and the client's socket below."""

    left: TLSStream
    right: TLSStream
    below_left: SocketStream

    async def __aenter__(self) -> Self:
        self.below_left, right = await connected_streams()
        self.left = TLSStream(self.below_left, client_context(), server_side=False, server_name="ok.test")
        self.right = TLSStream(right, _ok_test_context(), server_side=True)
        await asyncio.gather(self.left.handshake(5.0), self.right.handshake(5.0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await closed(self.left, self.right)


@cache
def _ok_test_context() -> ssl.SSLContext:
    return server_context("ok.test")


async def closed(*streams: SocketStream | TLSStream) -> None:
    """Drop the streams, and see the loop take notice."""
    for stream in streams:
        stream.abort()
    for _ in range(3):
        await asyncio.sleep(0)


class RecordingServer:
    """
    A server on loopback that counts connections and records what it is sent; a test speaks through `connections`.

        async with RecordingServer() as server:
            ... dial ("127.0.0.1", server.port) ...
            stream = await server.accepted()
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        self._address = host, port
        self._tls = tls
        self._accepted: asyncio.Queue[SocketStream] = asyncio.Queue()
        self.connections: list[SocketStream | TLSStream] = []
        self.count = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SocketStream(self._accept), *self._address)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def _accept(self, stream: SocketStream) -> None:
        self.count += 1
        self.connections.append(stream)
        self._accepted.put_nowait(stream)

    async def accepted(self) -> SocketStream | TLSStream:
        """The next connection; with `tls`, after the handshake."""
        stream = await self._accepted.get()
        if self._tls is None:
            return stream
        tls = TLSStream(stream, self._tls, server_side=True)
        await tls.handshake(5.0)
        return tls

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await closed(*self.connections)
