"""A DNS server on loopback, with clients for both transports, and lookups that do what a test wants."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncquery
import dns.message

from iron_proxy.config.schema import DNSRecordConfig
from iron_proxy.dns.answers import Forward, Zone
from iron_proxy.dns.event_flow import DNSEvent
from iron_proxy.dns.forwarding import Forwarded
from iron_proxy.dns.lookup_limits import LookupLimits
from iron_proxy.dns.messages import NOERROR, address_record, build_tail
from iron_proxy.dns.responder import Responder
from iron_proxy.dns.server import DNSServer
from iron_proxy.dns.streams import StreamLimits

STATIC = [DNSRecordConfig("db.test", "A", "10.0.0.7"), DNSRecordConfig("www.test", "CNAME", "db.test")]
FOUND = Forwarded(NOERROR, build_tail([address_record("10.0.0.9")]), "10.0.0.53:53")


class HeldLookups:
    """Passthrough lookups that end when the test says so."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.asked: list[Forward] = []
        self.arrived = asyncio.Condition()

    def known(self, forward: Forward) -> Forwarded | None:
        return None

    async def look_up(self, forward: Forward) -> Forwarded:
        async with self.arrived:
            self.asked.append(forward)
            self.arrived.notify_all()
        await self.release.wait()
        return FOUND

    async def wait_for(self, count: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.asked) >= count)


class NoLookups:
    def known(self, forward: Forward) -> Forwarded | None:
        return None

    async def look_up(self, forward: Forward) -> Forwarded:
        raise AssertionError("nothing may be looked up")


class KnownAnswers(NoLookups):
    def known(self, forward: Forward) -> Forwarded | None:
        return FOUND._replace(upstream="cache")


class BrokenLookups(NoLookups):
    async def look_up(self, forward: Forward) -> Forwarded:
        raise RuntimeError("a bug")


class Served:
    """A server with one UDP and one TCP socket, and clients for both."""

    def __init__(self, server: DNSServer, events: list[DNSEvent], host: str, udp_port: int, tcp_port: int) -> None:
        self.server, self.events = server, events
        self.host, self.udp_port, self.tcp_port = host, udp_port, tcp_port

    async def udp(self, name: str, record_type: str = "A", **options: Any) -> dns.message.Message:
        query = dns.message.make_query(name, record_type, **options)
        return await dns.asyncquery.udp(query, self.host, timeout=2, port=self.udp_port)

    async def tcp(self, name: str, record_type: str = "A", **options: Any) -> dns.message.Message:
        query = dns.message.make_query(name, record_type, **options)
        return await dns.asyncquery.tcp(query, self.host, timeout=2, port=self.tcp_port)

    async def stream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.tcp_port)


@asynccontextmanager
async def serving(
    lookups: Any = None,
    *,
    zone: Zone | None = None,
    passthrough: Sequence[str] = (),
    host: str = "127.0.0.1",
    limits: LookupLimits | None = None,
    streams: StreamLimits | None = None,
    reports_every_answer: bool = False,
) -> AsyncIterator[Served]:
    """A server that is closed when the block ends."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.bind((host, 0))
    listener = socket.create_server((host, 0), family=family)
    ports = datagrams.getsockname()[1], listener.getsockname()[1]
    events: list[DNSEvent] = []
    responder = Responder(
        zone or Zone("10.0.0.1", STATIC, passthrough), lookups or NoLookups(), events.append,
        limits=limits, reports_every_answer=reports_every_answer,
    )  # fmt: skip
    async with DNSServer(responder, streams) as server:
        await server.serve([datagrams], [listener])
        yield Served(server, events, host, *ports)


def answers(message: dns.message.Message) -> list[str]:
    """The records of a response, one a line."""
    return [line for rrset in message.answer for line in rrset.to_text().split("\n")]


def framed(wire: bytes) -> bytes:
    """A message as it is sent over TCP."""
    return len(wire).to_bytes(2, "big") + wire


def wire_of(name: str, number: int = 1) -> bytes:
    """A query for addresses, with this id."""
    query = dns.message.make_query(name, "A")
    query.id = number
    return query.to_wire()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, in whichever way."""
    try:
        return await asyncio.wait_for(reader.read(), 2)
    except ConnectionResetError:
        return b""


async def read_response(reader: asyncio.StreamReader) -> dns.message.Message:
    """One message of a TCP connection."""
    size = int.from_bytes(await reader.readexactly(2), "big")
    return dns.message.from_wire(await reader.readexactly(size))
