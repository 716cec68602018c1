"""One UDP socket: who answers, from which address, and what happens when answers do not leave."""

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from tests.unit.dns.dns_served import HeldLookups, NoLookups, serving, wire_of

from iron_proxy.dns.answers import Zone
from iron_proxy.dns.datagrams import DatagramEndpoint, _source_of
from iron_proxy.dns.event_flow import DNSEvent
from iron_proxy.dns.responder import Responder

CLIENT = ("192.0.2.7", 5353)


def responder(lookups: Any = None, passthrough: list[str] | None = None) -> Responder:
    return Responder(Zone("10.0.0.1", passthrough=passthrough or []), lookups or NoLookups(), list[DNSEvent]().append)


@contextmanager
def client(address: str, port: int) -> Iterator[socket.socket]:
    """A client whose kernel drops what does not come from the address that it asked."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, port))
        yield sock


@asynccontextmanager
async def open_endpoint(family: int, host: str, **options: Any) -> AsyncIterator[int]:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((host, 0))
    port = sock.getsockname()[1]
    endpoint = DatagramEndpoint(responder(**options), sock)
    endpoint.open()
    try:
        yield port
    finally:
        endpoint.close()
        endpoint.close()


async def asked(address: str, port: int, wire: bytes = b"") -> bytes:
    with client(address, port) as sock:
        sock.send(wire or wire_of("a.test"))
        return await asyncio.to_thread(sock.recv, 512)


@pytest.mark.parametrize(
    ("family", "host", "address"),
    [
        (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0", "127.8.8.8"),
        (socket.AF_INET6, "::", "127.8.8.8"),
        (socket.AF_INET6, "::", "::1"),
    ],
)
async def test_an_answer_comes_from_the_address_that_was_asked(family: int, host: str, address: str) -> None:
    async with open_endpoint(family, host) as port:
        assert (await asked(address, port))[-4:] == b"\x0a\0\0\1"


def test_link_local_answers_keep_their_interface_and_multicast_has_no_address_to_answer_from() -> None:
    link_local = socket.inet_pton(socket.AF_INET6, "fe80::7") + (3).to_bytes(4, sys.byteorder)
    multicast = socket.inet_pton(socket.AF_INET6, "ff02::fb") + (3).to_bytes(4, sys.byteorder)

    def source(content: bytes) -> list[tuple[int, int, bytes]]:
        return _source_of([(socket.SOL_SOCKET, 1, b""), (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, content)])

    assert source(link_local) == [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, link_local)]
    assert source(multicast) == []


async def test_a_late_answer_comes_from_there_too() -> None:
    lookups = HeldLookups()
    lookups.release.set()
    everybody = responder(lookups, ["p.test"])
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", 0))
    endpoint = DatagramEndpoint(everybody, sock)
    async with everybody.tasks:
        endpoint.open()
        answer = await asked("127.8.8.8", sock.getsockname()[1], wire_of("p.test"))
    endpoint.close()

    assert answer[-4:] == b"\x0a\0\0\x09"


async def test_more_questions_than_are_read_in_one_go_are_all_answered() -> None:
    async with open_endpoint(socket.AF_INET, "127.0.0.1") as port:
        with client("127.0.0.1", port) as sock:
            for number in range(150):
                sock.send(wire_of("a.test", number))
            answers = [await asyncio.to_thread(sock.recv, 512) for _ in range(150)]

    assert sorted(int.from_bytes(answer[:2], "big") for answer in answers) == list(range(150))


async def test_a_packet_longer_than_any_question_is_malformed() -> None:
    async with open_endpoint(socket.AF_INET, "127.0.0.1") as port:
        answer = await asked("127.0.0.1", port, wire_of("a.test") + bytes(60_000))

    assert answer[3] & 0x0F == 1


async def test_a_lookup_that_ends_after_the_socket_has_closed_sends_nothing() -> None:
    lookups = HeldLookups()
    async with serving(lookups, passthrough=["p.test"]) as served:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(wire_of("p.test"), (served.host, served.udp_port))
            await lookups.wait_for(1)
        for endpoint in served.server._endpoints:
            endpoint.close()
        lookups.release.set()
        while not served.events:
            await asyncio.sleep(0)

    assert [event.decision for event in served.events] == ["passthrough"]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_kernel_that_does_not_tell_destinations_is_left_to_choose(family: int) -> None:
    class Sandboxed(BrokenSocket):
        def getsockname(self) -> tuple[str, int]:
            return "0.0.0.0" if self.family == socket.AF_INET else "::", 53

        def setsockopt(self, *arguments: int) -> None:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")

    sock = Sandboxed()
    sock.family = family

    assert DatagramEndpoint(responder(), sock)._ancillary_bytes == 0  # type: ignore[arg-type]


class BrokenSocket:
    """A socket that fails as it is told to."""

    family: int = socket.AF_INET

    def __init__(self, *, receiving: OSError | None = None, sending: OSError | None = None) -> None:
        self.receiving, self.sending = receiving, sending
        self.packets: list[Any] = [(wire_of("a.test"), CLIENT)] * 3

    def setblocking(self, flag: bool) -> None:
        pass

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 53

    def fileno(self) -> int:
        return 99

    def recvfrom(self, size: int) -> Any:
        if self.receiving is not None:
            raise self.receiving
        if not self.packets:
            raise BlockingIOError
        return self.packets.pop()

    def sendto(self, content: bytes, address: Any) -> None:
        if self.sending is not None:
            raise self.sending


def read_burst(sock: BrokenSocket) -> None:
    DatagramEndpoint(responder(), sock)._read_burst()  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["receiving", "sending"])
def test_a_socket_that_fails_is_told_once(side: str, caplog: pytest.LogCaptureFixture) -> None:
    sock = BrokenSocket(**{side: OSError(errno.ENETUNREACH, "Network is unreachable")})

    read_burst(sock)

    [record] = caplog.records
    assert (record.getMessage(), record.__dict__["fields"]) == ("dns write failed", {"error": "Network is unreachable"})


def test_answers_that_do_not_leave_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    sock = BrokenSocket(sending=BlockingIOError())

    read_burst(sock)

    assert sock.packets == []
    assert caplog.records == []
