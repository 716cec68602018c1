"""
A name server for tests that says whatever a function tells it to, also nonsense, over UDP and TCP on 127.0.0.1.

    def twice(query: bytes, transport: str) -> list[bytes]:
        return [reply_to(query, ["ok.test. 60 IN A 10.0.0.9"])] * 2

    async with ScriptedNameServer(twice) as server:
        await ask(server.address, ...)

`dns_upstream.py` is the honest one, which answers from a dict.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

# A query and "udp" or "tcp" → the messages to send; over TCP they are framed, and an empty list closes the connection.
Script = Callable[[bytes, str], Sequence[bytes]]


def reply_to(
    query: bytes, answer: Sequence[str] = (), authority: Sequence[str] = (), rcode: str = "NOERROR"
) -> bytes:
    """A well-formed reply, in the spelling of the question. Records are lines such as `ok.test. 60 IN A 10.0.0.9`."""
    message = dns.message.make_response(dns.message.from_wire(query))
    message.flags |= dns.flags.RA
    message.set_rcode(dns.rcode.from_text(rcode))
    for section, lines in ((message.answer, answer), (message.authority, authority)):
        for line in lines:
            owner, ttl, _, record_type, content = line.split(" ", 4)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", record_type, content))
    return message.to_wire(max_size=65535)


class ScriptedNameServer:
    """Serves until the `async with` block ends; `queries` fills as they arrive."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.queries: list[tuple[bytes, str]] = []
        self.connections: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        datagrams, streams = _bind_both()
        self.address: tuple[str, int] = streams.getsockname()
        self._endpoint, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=datagrams)
        self._listener = await loop.create_server(lambda: _Stream(self), sock=streams)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._endpoint.close()
        self._listener.close()
        for transport in tuple(self.connections):
            transport.abort()
        await asyncio.sleep(0)

    def respond(self, query: bytes, transport: str) -> Sequence[bytes]:
        self.queries.append((query, transport))
        return self.script(query, transport)


def _bind_both() -> tuple[socket.socket, socket.socket]:
    """One free port for both transports."""
    while True:
        streams = socket.create_server(("127.0.0.1", 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with suppress(OSError):
            datagrams.bind(streams.getsockname())
            datagrams.setblocking(False)
            streams.setblocking(False)
            return datagrams, streams
        streams.close()
        datagrams.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: ScriptedNameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, query: bytes, client: tuple[Any, ...]) -> None:
        for reply in self._server.respond(query, "udp"):
            self._transport.sendto(reply, client)


class _Stream(asyncio.Protocol):
    def __init__(self, server: ScriptedNameServer) -> None:
        self._server = server
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self._transport)

    def data_received(self, piece: bytes) -> None:
        self._unread += piece
        while len(self._unread) >= 2 and len(self._unread) >= (end := 2 + int.from_bytes(self._unread[:2], "big")):
            query, self._unread = self._unread[2:end], self._unread[end:]
            replies = self._server.respond(query, "tcp")
            for reply in replies:
                self._transport.write(len(reply).to_bytes(2, "big") + reply)
            if not replies:
                self._transport.close()
