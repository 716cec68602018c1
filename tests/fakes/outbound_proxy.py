"""
Outbound proxies on loopback that do what real ones do, and record what they were asked: HTTP (CONNECT and absolute
form, plain or over TLS) and SOCKS5.

    async with FakeHTTPProxy() as proxy:
        proxy.leads_to["ok.test"] = "127.0.1.1"
        ... go through proxy.url ...
        assert proxy.asked == ["ok.test:443"]
"""

import asyncio
import base64
import ipaddress
import ssl
from abc import ABC, abstractmethod
from typing import Self

_PIECE = 64 * 1024
_SOCKS_HOST_UNREACHABLE = 4


class _FakeProxy(ABC):
    """A server that joins its client to where a name leads; an address leads to itself."""

    scheme = ""

    def __init__(
        self, address: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None
    ) -> None:
        self._address = address
        self._tls = tls
        self.login = login
        self.leads_to: dict[str, str] = {}
        self.asked: list[str] = []  # authorities, in the order in which they were asked for
        self.logins: list[tuple[str, str]] = []  # every user and password that came
        self.raw_reply: bytes | None = None  # in place of any reply of its own; then it says nothing more
        self.accepted = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._address, 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for _turn in range(5):  # asyncio loses a connection that it has accepted when the server closes meanwhile
            await asyncio.sleep(0)
        self._server.close()
        for _round in range(2):  # one that was accepted while it closed is served for a moment yet
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)

    @property
    def url(self) -> str:
        """Its URL, with the login that it asks for."""
        login = f"{self.login[0]}:{self.login[1]}@" if self.login is not None else ""
        return f"{self.scheme}://{login}{self._address}:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        self.accepted += 1
        try:
            await self._speak(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # its client broke off, or the origin did
        finally:
            writer.transport.abort()

    @abstractmethod
    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...

    async def _say_raw(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: bytes) -> None:
        writer.write(reply)
        await writer.drain()
        while await reader.read(_PIECE):
            pass

    async def _connected(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To where the name leads. Raises OSError."""
        far_reader, far_writer = await asyncio.open_connection(self.leads_to.get(host, host), port)
        self._writers.append(far_writer)
        return far_reader, far_writer


async def _relay(
    near: tuple[asyncio.StreamReader, asyncio.StreamWriter], far: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_PIECE):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()

    try:
        await asyncio.gather(copy(near[0], far[1]), copy(far[0], near[1]))
    finally:
        far[1].transport.abort()


class FakeHTTPProxy(_FakeProxy):
    """CONNECT is tunnelled; any other request is answered by the proxy itself, once the head is recorded."""

    def __init__(
        self, address: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None
    ) -> None:
        super().__init__(address, tls=tls, login=login)
        self.scheme = "http" if tls is None else "https"
        self.heads: list[bytes] = []  # of every request, CONNECT included
        self.early = b""  # sent in one write with the reply to CONNECT

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._next_head(reader):
            self.heads.append(head)
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
            if self.raw_reply is not None:
                await self._say_raw(reader, writer, self.raw_reply)
            elif not self._has_logged_in(head):
                writer.write(b'HTTP/1.1 407 no\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')
            elif method == b"CONNECT":
                await self._tunnel(reader, writer, target.decode())
                return
            else:
                self.asked.append(target.decode())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nby proxy\n")

    async def _next_head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    def _has_logged_in(self, head: bytes) -> bool:
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"proxy-authorization: basic "):
                user, _, password = base64.b64decode(line.split(b" ")[2]).decode().partition(":")
                self.logins.append((user, password))
        return self.login is None or self.login in self.logins

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str) -> None:
        self.asked.append(authority)
        host, _, port = authority.rpartition(":")
        try:
            far = await self._connected(host.strip("[]"), int(port))
        except OSError:
            writer.write(b"HTTP/1.1 502 no route\r\nContent-Length: 6\r\n\r\nsorry\n")
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 fake\r\n\r\n" + self.early)
        await _relay((reader, writer), far)


class FakeSOCKSProxy(_FakeProxy):
    """SOCKS5 with CONNECT; with a `login`, nobody gets in without it."""

    scheme = "socks5h"

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.raw_reply is not None:
            await self._say_raw(reader, writer, self.raw_reply)
            return
        if not await self._authenticate(reader, writer):
            return
        host, port = await self._read_request(reader)
        self.asked.append(f"{host}:{port}")
        try:
            far = await self._connected(host, port)
        except OSError:
            writer.write(bytes((5, _SOCKS_HOST_UNREACHABLE, 0, 1, 0, 0, 0, 0, 0, 0)))
            await writer.drain()
            return
        writer.write(bytes((5, 0, 0, 1, 0, 0, 0, 0, 0, 0)))
        await _relay((reader, writer), far)

    async def _authenticate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if self.login is None:
            writer.write(b"\x05\x00")
            return True
        if 2 not in methods:
            writer.write(b"\x05\xff")
            await writer.drain()
            return False
        writer.write(b"\x05\x02")
        await reader.readexactly(1)
        user = await self._read_field(reader)
        self.logins.append((user, await self._read_field(reader)))
        is_known = self.logins[-1] == self.login
        writer.write(b"\x01\x00" if is_known else b"\x01\x01")
        await writer.drain()
        return is_known

    async def _read_field(self, reader: asyncio.StreamReader) -> str:
        (length,) = await reader.readexactly(1)
        return (await reader.readexactly(length)).decode()

    async def _read_request(self, reader: asyncio.StreamReader) -> tuple[str, int]:
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = await self._read_field(reader)
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        return host, int.from_bytes(await reader.readexactly(2))
