"""
All that the proxy can reach in a test: origins on both sides of the policy, and the names that lead to them.

    allowed    127.0.1+N.1, plain and TLS     ok, *.wild, wild, rules, inject, injectq, swap, sub.ok ….test
    literal    127.0.1.9, plain               allowed by address
    forbidden  127.0.1.2, plain and TLS       other, *.other, evilwild, example.test.other ….test: no byte may arrive
    denied     127.0.0.5, plain and TLS       lo.test: names may be allowed, the address never is

Every origin listens on the same two ports, `plain_port` and `tls_port`. Upstream certificates come from `ca`, which the
proxy is told to trust by SSL_CERT_FILE.
"""

import asyncio
import itertools
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import trustme
from tests.fakes.background_loop import BackgroundLoop
from tests.fakes.dns_upstream import NXDOMAIN, SILENT, ByType, Entry, FakeDNSUpstream
from tests.fakes.recorder import Recorder

# Test processes that run side by side have an allowed address each: what is passed through needs port 443 there.
ALLOWED = f"127.0.{1 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])}.1"
LITERAL, FORBIDDEN, DENIED = "127.0.1.9", "127.0.1.2", "127.0.0.5"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_rotating = itertools.count()
_rebinding = itertools.count()


def _multi() -> list[str]:
    return [ALLOWED, DENIED] if next(_rotating) % 2 else [DENIED, ALLOWED]


def _rebind() -> list[str]:
    return [ALLOWED] if next(_rebinding) % 2 == 0 else [DENIED]


NAMES: dict[str, Entry] = {
    **dict.fromkeys(  # noqa: RUF024 - nobody changes the lists
        (
            "ok.test",
            "*.wild.test",
            "a.b.wild.test",
            "wild.test",
            "rules.test",
            "inject.test",
            "injectq.test",
            "swap.test",
        ),
        [ALLOWED],
    ),
    **dict.fromkeys(  # noqa: RUF024 - as above
        ("other.test", "*.other.test", "evilwild.test", "example.test.other.test"), [FORBIDDEN]
    ),
    "lo.test": [DENIED],
    "multi.test": ByType(a=_multi),
    "rebind.test": ByType(a=_rebind),
    "slow.test": SILENT,
    "nx.test": NXDOMAIN,
}
FORBIDDEN_NAMES = ("other", "evil")


class Internet:
    """Started once per test session; `with` starts and stops it."""

    def __init__(self, directory: Path) -> None:
        self.ca = trustme.CA()
        self.ca_file = directory / "origin-ca.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        self.background = BackgroundLoop()
        self.dns = FakeDNSUpstream(NAMES)
        self._added: list[Recorder] = []
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        self.background.__enter__()
        context = self.server_context(
            "ok.test", "*.wild.test", "a.b.wild.test", "wild.test", "rules.test", "inject.test", "injectq.test",
            "swap.test", "other.test", "lo.test", "multi.test", "rebind.test", "localhost", LITERAL, ALLOWED,
            "127.0.0.1",
        )  # fmt: skip
        self.plain_port, self.tls_port = _free_ports(2)
        self.allowed = Recorder(ALLOWED, self.plain_port)
        self.allowed_tls = Recorder(ALLOWED, self.tls_port, context)
        self.literal = Recorder(LITERAL, self.plain_port)
        self.literal_tls = Recorder(LITERAL, self.tls_port, context)
        self.forbidden = [Recorder(FORBIDDEN, self.plain_port), Recorder(FORBIDDEN, self.tls_port, context)]
        self.denied = [Recorder(DENIED, self.plain_port), Recorder(DENIED, self.tls_port, context)]
        for recorder in self.recorders:
            self.background.run(recorder.start())
        self.background.run(self.dns.__aenter__())
        return self

    def __exit__(self, *error: object) -> None:
        for recorder in (*self.recorders, *self._added):
            self.background.run(recorder.close())
        for server in self._servers:
            self.background.loop.call_soon_threadsafe(server.close)
        self.background.run(self.dns.__aexit__())
        self.background.__exit__()

    @property
    def recorders(self) -> list[Recorder]:
        """Every origin."""
        permitted = [self.allowed, self.allowed_tls, self.literal, self.literal_tls]
        return [*permitted, *self.forbidden, *self.denied]

    @property
    def off_limits(self) -> list[Recorder]:
        """The origins that must never be connected to."""
        return [*self.forbidden, *self.denied]

    def server_context(self, *names: str) -> ssl.SSLContext:
        """A server's TLS context for these names, signed by the origins' CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        return context

    def add_recorder(self, address: str, context: ssl.SSLContext | None = None, port: int = 0) -> Recorder:
        """One more origin, for a test that needs one of its own."""
        recorder = Recorder(address, port, context)
        self.background.run(recorder.start())
        self._added.append(recorder)
        return recorder

    def add_early_answerer(self, address: str, answer: bytes, context: ssl.SSLContext | None = None) -> int:
        """The port of an origin that answers as soon as it has a head, whatever body is to come."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await _finish(writer)

        return self._add_server(address, serve, context)

    def add_one_shot_origin(self, address: str, context: ssl.SSLContext | None = None) -> int:
        """The port of an origin that answers once on each connection and breaks it at the next request."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await reader.read(1)
            writer.transport.abort()

        return self._add_server(address, serve, context)

    def _add_server(self, address: str, serve: Serve, context: ssl.SSLContext | None) -> int:
        server = self.background.run(asyncio.start_server(_forgiving(serve), address, 0, ssl=context))
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port


def _free_ports(count: int) -> list[int]:
    """Ports that are free on every address that an origin uses."""
    ports: list[int] = []
    while len(ports) < count:
        with socket.create_server((ALLOWED, 0)) as probe:
            port = probe.getsockname()[1]
            if port not in ports and all(_is_free(address, port) for address in (LITERAL, FORBIDDEN, DENIED)):
                ports.append(port)
    return ports


def _is_free(address: str, port: int) -> bool:
    try:
        with socket.create_server((address, port)):
            return True
    except OSError:
        return False


def _forgiving(serve: Serve) -> Serve:
    """A connection that the proxy breaks is no failure of the origin."""

    async def forgiving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    return forgiving


async def _finish(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
