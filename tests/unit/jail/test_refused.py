import asyncio
import socket

import pytest
from tests.fakes.ip_packets import ACK, RESET, icmp, ip, tcp, udp

from iron_proxy.jail import refused
from iron_proxy.jail.refused import MAX_DESTINATIONS, Refusal, RefusedConnections, parse_refusal

RST_ACK = RESET | ACK


@pytest.mark.parametrize(
    ("packet", "refusal"),
    [
        (ip("1.2.3.4", "5.6.7.8", 6, tcp(8443, 40000, RST_ACK)), Refusal("tcp", "1.2.3.4", 8443)),
        (ip("1.2.3.4", "5.6.7.8", 6, tcp(22, 40000, RST_ACK), options=bytes(40)), Refusal("tcp", "1.2.3.4", 22)),
        (ip("2001:db8::1", "::1", 6, tcp(8443, 40000, RST_ACK)), Refusal("tcp", "2001:db8::1", 8443)),
        (
            ip("8.8.8.8", "8.8.8.8", 1, icmp(3, 3, ip("8.8.8.8", "8.8.8.8", 17, udp(40000, 443)))),
            Refusal("udp", "8.8.8.8", 443),
        ),
        (
            ip("2001:db8::1", "::1", 58, icmp(1, 4, ip("::1", "2001:db8::2", 17, udp(40000, 443)))),
            Refusal("udp", "2001:db8::2", 443),
        ),
        (
            ip("9.9.9.9", "9.9.9.9", 1, icmp(3, 2, ip("9.9.9.9", "9.9.9.9", 47, b"gre-gre-"))),
            Refusal("ip-47", "9.9.9.9", 0),
        ),
        (
            ip("9.9.9.9", "9.9.9.9", 1, icmp(3, 2, ip("9.9.9.9", "9.9.9.9", 132, udp(1, 5060)))),
            Refusal("sctp", "9.9.9.9", 5060),
        ),
    ],
)
def test_a_refusal_names_what_was_dialled(packet: bytes, refusal: Refusal) -> None:
    assert parse_refusal(packet) == refusal


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x00" * 60,
        ip("1.2.3.4", "1.2.3.4", 6, b"\x20"),
        ip("1.2.3.4", "1.2.3.4", 17, udp(1, 2)),
        ip("1.2.3.4", "1.2.3.4", 1, icmp(3, 3, b"")),
        ip("1.2.3.4", "1.2.3.4", 1, icmp(3, 3, ip("1.2.3.4", "1.2.3.4", 17, b"\0"))),
        b"\x4f" + bytes(30),
    ],
)
def test_a_packet_that_says_less_is_no_refusal_and_no_error(packet: bytes) -> None:
    assert parse_refusal(packet) is None


def test_every_beginning_of_a_packet_can_be_read() -> None:
    whole = ip("2001:db8::1", "::1", 58, icmp(1, 4, ip("::1", "2001:db8::2", 17, udp(40000, 443))))

    results = [parse_refusal(whole[:length]) for length in range(len(whole) + 1)]

    assert results[-1] == Refusal("udp", "2001:db8::2", 443)
    assert results[0] is None


def test_each_destination_is_told_once_and_counted_always() -> None:
    connections = RefusedConnections(None)
    told: list[Refusal] = []
    connections.on_first = told.append

    for _ in range(3):
        connections.note(Refusal("tcp", "1.2.3.4", 22))
    connections.note(Refusal("udp", "1.2.3.4", 22))

    assert told == [Refusal("tcp", "1.2.3.4", 22), Refusal("udp", "1.2.3.4", 22)]
    assert connections.counts == {Refusal("tcp", "1.2.3.4", 22): 3, Refusal("udp", "1.2.3.4", 22): 1}
    assert connections.total == 4


def test_a_port_scan_costs_bounded_memory_and_is_counted_whole() -> None:
    connections = RefusedConnections(None)
    told: list[Refusal] = []
    connections.on_first = told.append

    for port in range(1, MAX_DESTINATIONS + 501):
        connections.note(Refusal("tcp", "1.2.3.4", port))

    assert len(connections.counts) == len(told) == MAX_DESTINATIONS
    assert (connections.unnamed, connections.total) == (500, MAX_DESTINATIONS + 500)


def test_without_packet_sockets_nothing_is_seen_and_it_says_so() -> None:
    connections = RefusedConnections(None)

    connections.watch()
    connections.close()

    assert not connections.is_visible
    assert connections.total == 0


@pytest.fixture
def no_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair of sockets stands for the packet socket, which alone knows how many packets found its queue full."""
    monkeypatch.setattr(refused, "seen_and_dropped", lambda sock: (0, 2))


@pytest.mark.usefixtures("no_statistics")
async def test_packets_are_read_as_they_come_and_to_the_end_at_the_close() -> None:
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    reading.setblocking(False)
    connections = RefusedConnections(reading)
    first: asyncio.Future[Refusal] = asyncio.get_running_loop().create_future()
    connections.on_first = first.set_result
    connections.watch()

    writing.send(ip("1.2.3.4", "1.2.3.4", 6, tcp(22, 40000, RST_ACK)))
    assert await asyncio.wait_for(first, 5) == Refusal("tcp", "1.2.3.4", 22)
    for _ in range(7):
        writing.send(ip("1.2.3.4", "1.2.3.4", 6, tcp(22, 40000, RST_ACK)))
    connections.close()
    connections.close()
    writing.close()

    assert connections.counts == {Refusal("tcp", "1.2.3.4", 22): 8}
    assert connections.unnamed >= 2
    assert reading.fileno() == -1


@pytest.mark.usefixtures("no_statistics")
async def test_a_flood_is_read_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused, "_BATCH", 3)
    monkeypatch.setattr(refused, "_PAUSE", 3600.0)
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    reading.setblocking(False)
    for port in range(1, 9):
        writing.send(ip("1.2.3.4", "1.2.3.4", 6, tcp(port, 40000, RST_ACK)))
    connections = RefusedConnections(reading)
    third = asyncio.Event()
    connections.on_first = lambda refusal: third.set() if refusal.port == 3 else None

    connections.watch()
    await asyncio.wait_for(third.wait(), 5)
    await asyncio.sleep(0)
    read_before_the_pause = connections.total
    connections.close()
    writing.close()

    assert read_before_the_pause == 3
    assert len(connections.counts) == 8
