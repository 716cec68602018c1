"""What is particular to sockets; the promises of every stream are in tests/fakes/test_conformance.py."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
from tests.fakes.loopback import LoopbackStreamPair, closed, stream_of

from iron_proxy.streams import deadlines, socket_stream
from iron_proxy.streams.byte_stream import MAX_PIECE_BYTES, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream

LONG = 5.0


@pytest.fixture
async def pair(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LoopbackStreamPair]:
    monkeypatch.setattr(deadlines, "SWEEP_SECONDS", 0.002)
    async with LoopbackStreamPair() as pair:
        yield pair


async def test_whoever_accepts_is_called_once_the_stream_is_connected() -> None:
    connected: asyncio.Queue[SocketStream] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SocketStream(connected.put_nowait), "127.0.0.1", 0)
    client = socket.create_connection(server.sockets[0].getsockname())

    stream = await asyncio.wait_for(connected.get(), LONG)

    assert stream.peer == f"127.0.0.1:{client.getsockname()[1]}"
    client.close()
    server.close()
    await closed(stream)


@pytest.mark.parametrize(
    ("listen_on", "connect_to", "peer"),
    [("127.0.0.1", "127.0.0.1", "127.0.0.1:"), ("::1", "::1", "[::1]:"), ("::", "127.0.0.1", "127.0.0.1:")],
    ids=["IPv4", "IPv6", "IPv4 on a dual-stack socket"],
)
async def test_a_peer_is_named_as_one_would_write_it(listen_on: str, connect_to: str, peer: str) -> None:
    family = socket.AF_INET6 if ":" in listen_on else socket.AF_INET
    with socket.create_server((listen_on, 0), family=family, dualstack_ipv6=listen_on == "::") as listening:
        client = socket.create_connection((connect_to, listening.getsockname()[1]))
        accepted, _ = listening.accept()
    stream = await stream_of(accepted)

    assert stream.peer == f"{peer}{client.getsockname()[1]}"
    client.close()
    await closed(stream)


async def test_a_sender_is_held_back_while_nobody_reads(pair: LoopbackStreamPair) -> None:
    sent = await sent_before_timeout(pair.left)

    received = 0
    while received < sent:
        received += len(await pair.right.read(LONG))

    assert received >= sent


async def sent_before_timeout(stream: SocketStream) -> int:
    sent = 0
    try:
        while True:
            await stream.write(b"x" * MAX_PIECE_BYTES, 0.02)
            sent += MAX_PIECE_BYTES
    except StreamTimeout:
        return sent


async def test_bytes_can_be_diverted_and_those_that_are_here_are_handed_over(pair: LoopbackStreamPair) -> None:
    bio = ssl.MemoryBIO()
    await pair.left.write(b"first", LONG)
    pair.right.push_back(await pair.right.read(LONG))

    unread = pair.right.divert_into(bio)
    assert not pair.right.has_unread
    await pair.left.write(b"second", LONG)
    await pair.right.wait(LONG)

    assert (unread, bio.read()) == (b"first", b"second")
    assert not pair.right.has_unread


async def test_a_stream_knows_whether_bytes_are_unread(pair: LoopbackStreamPair) -> None:
    assert not pair.right.has_unread
    await pair.left.write(b"x", LONG)
    data = await pair.right.read(LONG)
    assert not pair.right.has_unread

    pair.right.push_back(data)

    assert pair.right.has_unread


async def test_what_a_peer_never_takes_does_not_keep_a_closed_connection(
    pair: LoopbackStreamPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_stream, "CLOSE_TIMEOUT", 0.02)
    gone = asyncio.Event()
    while not pair.left.write_nowait(b"x" * MAX_PIECE_BYTES):
        await asyncio.sleep(0)

    pair.left.close()
    pair.left.on_end(gone.set)

    await asyncio.wait_for(gone.wait(), LONG)


async def test_what_the_transport_knows_can_be_asked_for(pair: LoopbackStreamPair) -> None:
    host, port = pair.left.extra("sockname")

    assert pair.right.peer == f"{host}:{port}"
