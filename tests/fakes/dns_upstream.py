"""
A DNS server for tests, on 127.0.0.1 over UDP and TCP: it answers from a dict and records what it was asked.

    async with FakeDNSUpstream({"ok.test": ["127.0.1.1"], "slow.test": SILENT}) as upstream:
        UpstreamResolver(upstream.address)

A key `*.wild.test` stands for every name below. Names that are not in the dict do not exist (NXDOMAIN).
"""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple, Self, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class Behaviour(Enum):
    """What a name does instead of having addresses."""

    SILENT = auto()
    SERVFAIL = auto()
    NXDOMAIN = auto()


SILENT = Behaviour.SILENT
SERVFAIL = Behaviour.SERVFAIL
NXDOMAIN = Behaviour.NXDOMAIN


@dataclass(frozen=True)
class Truncated:
    """Over UDP the answer is cut; over TCP it is whole."""

    addresses: Sequence[str]


@dataclass(frozen=True)
class Alias:
    """A CNAME, with the target's addresses behind it."""

    target: str


@dataclass(frozen=True)
class ByType:
    """Something else for A than for AAAA."""

    a: "Entry" = ()
    aaaa: "Entry" = ()


# A function is called once per question: names that change from one to the next (DNS rebinding).
Entry = Sequence[str] | Behaviour | Truncated | Alias | ByType | Callable[[], Sequence[str]]


class SeenQuery(NamedTuple):
    """One question as it arrived."""

    name: str
    record_type: str
    transport: str


class FakeDNSUpstream:
    """Serves `entries` until the `async with` block ends; entered again, at the same port. `queries` fills."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = dict(entries)
        self.queries: list[SeenQuery] = []
        self.address = ""
        self._port = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        datagrams, streams = _bind_both(self._port)
        self._endpoint, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=datagrams)
        self._listener = await loop.create_server(lambda: _Stream(self), sock=streams)
        self._port = streams.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._endpoint.close()
        self._listener.close()
        await asyncio.sleep(0)

    def names_asked(self) -> set[str]:
        """Every name that was asked for, over any transport and of any type."""
        return {query.name for query in self.queries}

    def respond(self, wire: bytes, transport: str) -> bytes | None:
        """The response to one message, or None for silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        record_type = dns.rdatatype.to_text(question.rdtype)
        self.queries.append(SeenQuery(name, record_type, transport))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if not self._fill(response, name, name, record_type, transport):
            return None
        return response.to_wire(max_size=65535) if transport == "tcp" else response.to_wire(prefer_truncation=True)

    def _fill(self, response: dns.message.Message, owner: str, name: str, record_type: str, transport: str) -> bool:
        entry = self._entry(name)
        if isinstance(entry, ByType):
            entry = entry.a if record_type == "A" else entry.aaaa
        if callable(entry):
            entry = entry()
        match entry:
            case Behaviour.SILENT:
                return False
            case Behaviour.SERVFAIL:
                response.set_rcode(dns.rcode.SERVFAIL)
            case Behaviour.NXDOMAIN:
                response.set_rcode(dns.rcode.NXDOMAIN)
            case Truncated(addresses):
                if transport == "udp":
                    response.flags |= dns.flags.TC
                else:
                    _add_addresses(response, owner, addresses, record_type)
            case Alias(target):
                response.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", "CNAME", f"{target}."))
                return self._fill(response, target, target, record_type, transport)
            case _:
                _add_addresses(response, owner, cast("Sequence[str]", entry), record_type)
        return True

    def _entry(self, name: str) -> Entry:
        if name in self.entries:
            return self.entries[name]
        while (name := name.partition(".")[2]) != "":
            if f"*.{name}" in self.entries:
                return self.entries[f"*.{name}"]
        return NXDOMAIN


def _add_addresses(response: dns.message.Message, owner: str, addresses: Sequence[str], record_type: str) -> None:
    """One set per address: dnspython shuffles the addresses within a set, and tests want the order that they gave."""
    for address in addresses:
        if record_type == ("AAAA" if ":" in address else "A"):
            response.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", record_type, address))


def _bind_both(port: int) -> tuple[socket.socket, socket.socket]:
    """One port for both transports; 0 is any that is free."""
    while True:
        streams = socket.create_server(("127.0.0.1", port))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagrams.bind(streams.getsockname())
        except OSError:
            streams.close()
            datagrams.close()
            continue
        datagrams.setblocking(False)
        streams.setblocking(False)
        return datagrams, streams


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, upstream: FakeDNSUpstream) -> None:
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, wire: bytes, client: tuple[Any, ...]) -> None:
        response = self._upstream.respond(wire, "udp")
        if response is not None:
            self._transport.sendto(response, client)


class _Stream(asyncio.Protocol):
    def __init__(self, upstream: FakeDNSUpstream) -> None:
        self._upstream = upstream
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, piece: bytes) -> None:
        self._unread += piece
        while len(self._unread) >= 2 and len(self._unread) >= (end := 2 + int.from_bytes(self._unread[:2], "big")):
            wire, self._unread = self._unread[2:end], self._unread[end:]
            response = self._upstream.respond(wire, "tcp")
            if response is not None:
                self._transport.write(len(response).to_bytes(2, "big") + response)
