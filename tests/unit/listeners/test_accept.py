"""A listening socket: each connection is a task of its own, and none outlives the listener."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.fakes.loopback import closed, stream_of

from iron_proxy.audit.record import EventRecord
from iron_proxy.config.capacity import Capacity
from iron_proxy.listeners.accept import Listener
from iron_proxy.listeners.binding import bind_tcp
from iron_proxy.listeners.connection_counts import ConnectionCounts
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.socket_stream import SocketStream

LONG = 5.0
MANY = Capacity(100, 100)
Serve = Callable[[SocketStream], Awaitable[None]]


class Listening:
    """A listener that runs, and its clients."""

    def __init__(self, serve: Serve, capacity: Capacity = MANY) -> None:
        self.records: list[EventRecord] = []
        self.counts = ConnectionCounts(capacity, self.records.append)
        self.listener = Listener("http", bind_tcp("127.0.0.1", 0, "proxy.http_listen"), serve, self.counts)
        self.listener.sock.listen()
        self.address = self.listener.sock.getsockname()
        self.running = asyncio.get_running_loop().create_task(self.listener.run())
        self._clients: list[SocketStream] = []

    async def connect(self) -> SocketStream:
        client = await stream_of(socket.create_connection(self.address))
        self._clients.append(client)
        return client

    async def ended(self) -> None:
        async with asyncio.timeout(LONG):
            await self.running
        await closed(*self._clients)


async def echo(stream: SocketStream) -> None:
    while data := await stream.read(LONG):
        await stream.write(data, LONG)


@pytest.fixture
async def echoing() -> AsyncIterator[Listening]:
    listening = Listening(echo)
    yield listening
    listening.listener.stop_accepting()
    listening.listener.cancel_connections()
    await listening.ended()


async def test_each_connection_is_served(echoing: Listening) -> None:
    for word in (b"one", b"two"):
        client = await echoing.connect()
        await client.write(word, LONG)

        assert await client.read(LONG) == word


async def test_after_a_stop_nobody_is_accepted_and_connections_go_on(echoing: Listening) -> None:
    client = await echoing.connect()
    await client.write(b"before", LONG)
    await client.read(LONG)

    echoing.listener.stop_accepting()
    await client.write(b"after", LONG)

    assert await client.read(LONG) == b"after"
    assert not echoing.listener.ended.is_set()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(echoing.address)


async def test_it_has_ended_once_the_last_connection_has(echoing: Listening) -> None:
    client = await echoing.connect()
    await client.write(b"hello", LONG)
    await client.read(LONG)
    echoing.listener.stop_accepting()

    await client.write_end()
    await echoing.ended()

    assert echoing.listener.ended.is_set()


async def test_connections_that_do_not_end_are_cut(echoing: Listening) -> None:
    client = await echoing.connect()
    await client.write(b"hello", LONG)
    await client.read(LONG)
    echoing.listener.stop_accepting()

    echoing.listener.cancel_connections()
    await echoing.ended()

    assert echoing.listener.ended.is_set()


async def test_a_bug_in_serving_one_connection_ends_that_one_and_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("iron_proxy"), "propagate", True)

    async def serve(stream: SocketStream) -> None:
        data = await stream.read(LONG)
        if data == b"bad":
            raise ValueError("sk-real")
        await stream.write(data, LONG)

    listening = Listening(serve)
    bad, good = await listening.connect(), await listening.connect()
    await bad.write(b"bad", LONG)
    with pytest.raises(Exception, match=r"broke|reset|closed"):
        await bad.read(LONG)
    await good.write(b"good", LONG)

    assert await good.read(LONG) == b"good"
    [record] = caplog.records
    assert record.getMessage() == "connection failed"
    assert record.__dict__["fields"] == {"listener": "http", "error": "ValueError"}
    assert "sk-real" not in caplog.text
    listening.listener.stop_accepting()
    await listening.ended()


async def test_beyond_the_share_a_connection_is_reset_and_recorded_and_the_others_go_on() -> None:
    listening = Listening(echo, Capacity(3, 1))
    first = await listening.connect()
    await first.write(b"one", LONG)
    assert await first.read(LONG) == b"one"

    second = await listening.connect()
    with pytest.raises(StreamReset):
        await second.read(LONG)

    await first.write(b"two", LONG)
    assert await first.read(LONG) == b"two"
    listening.listener.stop_accepting()
    await first.write_end()
    await listening.ended()
    [record] = listening.records                 # told at the end of the listener, had its second not come before
    assert (record.event, record.action, record.remote_addr) == ("limit", "reject", "127.0.0.1")
    assert record.limit == {"name": "limits.connections_per_client", "value": 1, "refused": 1}


async def test_a_connection_counts_until_its_socket_is_gone() -> None:
    async def leave_much_unsent(stream: SocketStream) -> None:
        stream.write_nowait(b"x" * 8_000_000)

    listening = Listening(leave_much_unsent)
    client = await listening.connect()
    async with asyncio.timeout(LONG):
        while not listening.counts.total or any(not task.done() for task in listening.listener._connections):
            await asyncio.sleep(0.001)

    assert listening.counts.total == 1           # served to its end, and still a descriptor
    client.abort()
    async with asyncio.timeout(LONG):
        while listening.counts.total:
            await asyncio.sleep(0.001)
    listening.listener.stop_accepting()
    await listening.ended()
