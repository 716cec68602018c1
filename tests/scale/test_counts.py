"""
Many of one kind at once, and one bystander that is answered all the while.

A tenth of the numbers here; `make scale` runs with all of them and prints what it measured.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import pytest
from tests.conftest import Running
from tests.fakes.http2_peer import speak
from tests.fakes.internet import ALLOWED
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.running_proxy import request as http_request
from tests.fakes.waiting import wait_until
from tests.fakes.wire_client import Session, Way, connect, open_connect_tunnel
from tests.scale.crowd import all_of, ask_on, watching
from tests.scale.figures import note, percentile, resident_kib, sized

STREAMS_A_CONNECTION = 100      # as many as the proxy offers
TUNNELS_A_SECOND = 1000
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
# A masked text frame of five bytes, "hello" (RFC 6455 section 5.7). The origin echoes bytes; a server's would be bare.
FRAME = bytes.fromhex("818537fa213d7f9f4d5158")

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]


# Connections: those of the largest test, and some to spare for the bystander and the pages.
MOST = 12_000


@pytest.fixture
def patient(running: Running, request: pytest.FixtureRequest) -> RunningProxy:
    """
    A proxy that waits for upstreams longer than a client of these does.

    A process of the test's own: memory that another test gave back would be taken again, and not be seen.
    """
    environment = {"ONLY_FOR": request.node.name}
    proxy = running(
        env=environment,
        proxy__upstream_response_header_timeout="120s",
        # By themselves half of the open files, which is too few where a process may have 20,000.
        limits={"connections": MOST, "connections_per_client": MOST},
    )
    # What thousands have at once stays with the allocator when they go, some 50 KiB of each. Tests see what each has.
    proxy.leftovers.allow(100 * sized(10_000))
    return proxy


def test_idle_tls_connections(patient: RunningProxy) -> None:
    count = sized(10_000)
    before, descriptors = resident_kib(patient.process.pid), patient.descriptors()

    def arrive(_: int) -> Session:
        session = patient.open(Way.HTTPS, "ok.test")
        ask_on(patient, session, Way.HTTPS)
        return session

    with watching(patient) as bystander:
        begun = perf_counter()
        sessions = all_of(count, arrive)
        seconds, arrived = perf_counter() - begun, len(bystander.seconds)
        assert patient.descriptors() - descriptors >= count
        after = resident_kib(patient.process.pid)
        for session in sessions[:: max(1, count // 50)]:
            ask_on(patient, session, Way.HTTPS)
            patient.started += 1
    patient.started += count
    note(
        "idle TLS connections", count=count, a_second=count / seconds, kib_each=(after - before) / count,
        bystander_p99_ms_while_they_arrive=percentile(bystander.seconds[:arrived], 0.99) * 1000,
        bystander_p99_ms_then=percentile(bystander.seconds[arrived:], 0.99) * 1000,
    )  # fmt: skip
    # 75 KiB were measured; a connection that keeps a buffer of a record's size or two would not pass.
    assert (after - before) / count < 200


def test_concurrent_streams(patient: RunningProxy) -> None:
    connections = sized(2_000) // STREAMS_A_CONNECTION
    count = connections * STREAMS_A_CONNECTION
    origin = patient.internet.allowed_tls
    before, seen = resident_kib(patient.process.pid), len(origin.requests)

    with watching(patient) as bystander:
        peers = [speak(patient) for _ in range(connections)]
        streams = [(peer, peer.begin("/hold/streams")) for peer in peers for _ in range(STREAMS_A_CONNECTION)]
        wait_until(lambda: sum(each.path == "/hold/streams" for each in origin.requests[seen:]) == count, 60.0)
        kib = (resident_kib(patient.process.pid) - before) / count
        # Until here its origin, which is that of the streams, had its hands full with handshakes.
        arrived = len(bystander.seconds)
        wait_until(lambda: len(bystander.seconds) >= arrived + 100, 60.0)
        seconds = bystander.seconds[arrived:]
        origin.release("streams")
        answers = [peer.answer(stream) for peer, stream in streams]
    patient.started += count
    note(
        "concurrent streams", count=count, kib_each=kib, bystander_p99_ms=percentile(seconds, 0.99) * 1000,
    )  # fmt: skip
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"first-last")}


def test_websockets(patient: RunningProxy) -> None:
    count = sized(5_000)
    before = resident_kib(patient.process.pid)

    def upgrade(_: int) -> Session:
        session = patient.open(Way.HTTP, "ok.test")
        session.send(http_request("/ws", patient.authority(Way.HTTP, "ok.test"), headers=UPGRADE))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += session.read_exactly(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        return session

    with watching(patient) as bystander:
        sessions = all_of(count, upgrade)
        kib = (resident_kib(patient.process.pid) - before) / count
        begun = perf_counter()
        for session in sessions:
            session.send(FRAME)
        echoes = {session.read_exactly(len(FRAME)) for session in sessions}
        seconds = perf_counter() - begun
        for session in sessions:
            session.close()
    patient.started += count
    note(
        "WebSockets", count=count, kib_each=kib, messages_a_second=count / seconds,
        bystander_p99_ms=percentile(bystander.seconds, 0.99) * 1000,
    )  # fmt: skip
    assert echoes == {FRAME}


def test_tunnels_opened_and_closed(patient: RunningProxy) -> None:
    count = sized(10 * TUNNELS_A_SECOND)
    authority = f"ok.test:{patient.internet.tls_port}"
    before = patient.descriptors()

    def come_and_go(_: int) -> None:
        with connect(patient.addresses["tunnel"]) as sock:
            open_connect_tunnel(sock, authority)

    with watching(patient) as bystander:
        begun = perf_counter()
        all_of(count, come_and_go)
        seconds = perf_counter() - begun
        patient.started += count
        # The bystander has a connection to its origin by now.
        wait_until(lambda: patient.descriptors() <= before + 4, 60.0)
    note(
        "tunnels", count=count, a_second=count / seconds,
        bystander_p99_ms=percentile(bystander.seconds, 0.99) * 1000,
    )  # fmt: skip


def test_one_dead_upstream_harms_no_other(patient: RunningProxy) -> None:
    hosts = [f"h{number}.wild.test" for number in range(sized(300))]
    waiting = sized(200)

    def ask(number: int) -> float:
        begun = perf_counter()
        with Session(connect(patient.addresses["http"])) as session:
            ask_on(patient, session, Way.HTTP, host=hosts[number])
        return perf_counter() - begun

    with unreachable() as port, watching(patient) as bystander:
        stuck = [patient.open(Way.HTTP, "ok.test") for _ in range(2 * waiting)]
        for number, session in enumerate(stuck):
            # Half of them wait for a connection, half for an answer.
            place = f"ok.test:{port}" if number % 2 else patient.authority(Way.HTTP, "ok.test")
            session.send(http_request("/slow", place))
        seconds = all_of(len(hosts), ask)
        for session in stuck:
            session.reset()
    patient.started += len(stuck) + len(hosts)
    note(
        "one dead upstream", hosts=len(hosts), waiting=len(stuck), p50_ms=percentile(seconds, 0.5) * 1000,
        p99_ms=percentile(seconds, 0.99) * 1000, bystander_p99_ms=percentile(bystander.seconds, 0.99) * 1000,
    )  # fmt: skip


@contextmanager
def unreachable() -> Iterator[int]:
    """The port of an address at which connections are neither taken nor refused: its queue is full."""
    with socket.socket() as listening:
        listening.bind((ALLOWED, 0))
        listening.listen(0)
        waiting = []
        try:
            for _ in range(4):
                waiting.append(socket.socket())
                waiting[-1].setblocking(False)
                waiting[-1].connect_ex(listening.getsockname())
            yield listening.getsockname()[1]
        finally:
            for each in waiting:
                each.close()
