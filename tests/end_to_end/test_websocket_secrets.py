"""`match_websocket` with the `websockets` library at both ends: the upstream gets secrets, the client tokens."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from tests.conftest import Running
from tests.fakes.configurations import allowlist, replacement, secrets_of
from tests.fakes.internet import ALLOWED
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, RunningProxy
from tests.fakes.wire_client import open_connect_tunnel
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

pytestmark = pytest.mark.end_to_end

REAL = SECRETS["SEC_REP"]
TOKEN = PROXY_TOKEN


class Origin:
    """Echoes every message, and keeps what it has got."""

    def __init__(self) -> None:
        self.got: list[str | bytes] = []

    async def serve(self, connection: ServerConnection) -> None:
        async for message in connection:
            self.got.append(message)
            await connection.send(message)


@pytest.fixture
def scanning(running: Running) -> Callable[[], RunningProxy]:
    entry = replacement("SEC_REP", match_websocket=True)
    return lambda: running(transforms=[allowlist(), secrets_of(entry)])


@asynccontextmanager
async def session(proxy: RunningProxy, origin: Origin, **options: Any) -> AsyncIterator[ClientConnection]:
    """A WebSocket through a tunnel to swap.test."""
    context = proxy.internet.server_context("swap.test")
    async with serve(origin.serve, ALLOWED, 0, ssl=context, max_size=None, compression="deflate") as server:
        port = next(iter(server.sockets)).getsockname()[1]
        sock = socket.create_connection(proxy.addresses["tunnel"], 10)
        proxy.started += 2
        await asyncio.to_thread(open_connect_tunnel, sock, f"swap.test:{port}")
        trust = proxy.ca.client_context()
        async with connect(
            f"wss://swap.test:{port}/", sock=sock, ssl=trust, max_size=None, proxy=None, **options
        ) as connection:
            yield connection


async def test_messages_both_ways(scanning: Callable[[], RunningProxy]) -> None:
    proxy, origin = await asyncio.to_thread(scanning), Origin()
    messages: list[str] = ["", "hello", f"auth {TOKEN}", f'{{"key": "{TOKEN}"}}', "é" * 1000 + TOKEN]
    async with session(proxy, origin) as connection:
        for message in messages:
            await connection.send(message)
            assert await connection.recv() == message

        assert connection.protocol.extensions == []
    assert origin.got == [message.replace(TOKEN, REAL) for message in messages]
    record = await asyncio.to_thread(proxy.last_record)
    assert record["request_transforms"][-1]["annotations"] == {
        "websocket": [{"secret": "SEC_REP", "swapped": 3, "redacted": 3}]
    }


async def test_fragments_pings_binary_messages_and_large_ones(scanning: Callable[[], RunningProxy]) -> None:
    proxy, origin = await asyncio.to_thread(scanning), Origin()
    large = "x" * (3 << 20) + TOKEN + "y" * (1 << 20)
    async with session(proxy, origin) as connection:
        await connection.send(["a ", TOKEN[:5], TOKEN[5:], " b"])
        assert await connection.recv() == f"a {TOKEN} b"
        assert await (await connection.ping(b"are you there")) >= 0
        await connection.send(TOKEN.encode())
        assert await connection.recv() == TOKEN.encode()
        await connection.send(large)
        assert await connection.recv() == large

    assert origin.got == [f"a {REAL} b", TOKEN.encode(), large.replace(TOKEN, REAL)]


async def test_a_server_that_breaks_the_protocol_is_told_so(scanning: Callable[[], RunningProxy]) -> None:
    proxy, origin = await asyncio.to_thread(scanning), Origin()

    async def break_protocol(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.write(b"\xc1\x01a")  # a reserved bit
        await connection.wait_closed()

    origin.serve = break_protocol  # type: ignore[method-assign]  # another origin
    async with session(proxy, origin) as connection:
        await connection.send("go on")
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await connection.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1002
    assert "reserved bit" in closed.value.rcvd.reason
