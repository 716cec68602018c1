import asyncio
import gc
import socket
from collections.abc import Iterator

import pytest
from tests.unit.session.session_orders import Told, prepared

from iron_proxy.audit.record import RequestRecord
from iron_proxy.config.schema import LogConfig
from iron_proxy.jail.door_sockets import open_door
from iron_proxy.jail.refused import Refusal
from iron_proxy.session.jailed import served
from iron_proxy.session.serving import assemble_behind, assemble_tunnel, refusal_record, settle_garbage_collector


@pytest.fixture
def doors() -> Iterator[dict[str, socket.socket]]:
    """As a jail has them, on free ports of this machine."""
    made = {name: open_door(0, is_udp=name == "dns-udp") for name in ("dns-udp", "dns-tcp", "http", "https", "extra-1")}
    yield made
    for sock in made.values():
        sock.close()


async def ask(sock: socket.socket, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_what_comes_in_by_a_door_is_decided_on_with_the_ports_of_the_door(
    doors: dict[str, socket.socket],
) -> None:
    told = Told()
    assembly = assemble_behind(doors, prepared(allow=("denied.test:1",)), told.records.emitter(LogConfig()))
    ports = {name: door.getsockname()[1] for name, door in doors.items()}

    async with served(assembly):
        for name in ("http", "extra-1"):
            host = f"denied.test:{ports[name]}".encode()
            answer = await ask(doors[name], b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host)
            assert answer.startswith(b"HTTP/1.1 403 ")

    requests = [record for record in told.seen if isinstance(record, RequestRecord)]
    assert [(each.host, each.original_destination) for each in requests] == [
        (f"denied.test:{ports[name]}", f"127.0.0.1:{ports[name]}") for name in ("http", "extra-1")
    ]


async def test_every_name_is_the_proxy(doors: dict[str, socket.socket]) -> None:
    assembly = assemble_behind(doors, prepared(), Told().records.emitter(LogConfig()))
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
    address = ("127.0.0.1", doors["dns-udp"].getsockname()[1])

    async with served(assembly):
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            await loop.sock_sendto(sock, question, address)
            answer = await asyncio.wait_for(loop.sock_recv(sock, 512), 5)

    assert answer.endswith(socket.inet_aton("198.18.0.1"))


async def test_the_tunnel_of_a_weak_run_is_for_who_knows_the_password() -> None:
    told = Told()
    assembly, port = assemble_tunnel(prepared(), told.records.emitter(LogConfig()), "s3cret")

    async with served(assembly):
        request = b"CONNECT denied.test:443 HTTP/1.1\r\nHost: denied.test:443\r\n%s\r\n"
        nobody = await ask(assembly.listeners[0].sock, request % b"")
        client = await ask(assembly.listeners[0].sock, request % b"Proxy-Authorization: Basic cnVuOnMzY3JldA==\r\n")

    assert assembly.listeners[0].name == "tunnel"
    assert port > 0
    assert nobody.startswith(b"HTTP/1.1 407 ")
    assert client.startswith(b"HTTP/1.1 403 ")


async def test_the_tunnel_does_not_lead_back_to_itself() -> None:
    assembly, port = assemble_tunnel(prepared(), Told().records.emitter(LogConfig()), "s3cret")

    assert assembly.services.dialer._is_own_listener("127.0.0.1", port)
    assembly.listeners[0].sock.close()


@pytest.mark.parametrize(
    ("refusal", "count", "destination", "reason"),
    [
        (Refusal("tcp", "192.0.2.1", 22), 1, "192.0.2.1:22", "no way out by tcp to this port"),
        (Refusal("udp", "2001:db8::1", 443), 3, "[2001:db8::1]:443", "no way out by udp to this port, 3 times in all"),
        (Refusal("sctp", "192.0.2.1", 0), 1, "192.0.2.1", "no way out by sctp to this port"),
    ],
)
def test_a_refused_connection_is_an_event(refusal: Refusal, count: int, destination: str, reason: str) -> None:
    record = refusal_record(refusal, count)

    assert (record.event, record.action, record.original_destination, record.reason) == (
        "jail", "reject", destination, reason,
    )  # fmt: skip


def test_the_collector_works_again_and_leaves_what_is_there_alone() -> None:
    thresholds = gc.get_threshold()
    gc.unfreeze()
    gc.disable()
    try:
        settle_garbage_collector()

        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.enable()
        gc.set_threshold(*thresholds)
