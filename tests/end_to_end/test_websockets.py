"""The `websockets` library as client and server, with the proxy between them: the same as without."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import websockets
from tests.fakes.internet import ALLOWED
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import Way, open_connect_tunnel, open_socks_tunnel, way_id
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

pytestmark = pytest.mark.end_to_end


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        if message == "close with 4001":
            await connection.close(4001, "as asked")
            return
        await connection.send(message)


@asynccontextmanager
async def session(proxy: RunningProxy, way: Way) -> AsyncIterator[ClientConnection]:
    """A WebSocket through the proxy to a server of this test."""
    context = proxy.internet.server_context("ok.test") if way.is_tls else None
    async with serve(echo, ALLOWED, 0, ssl=context, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        listener = "tunnel" if way.is_tunnel else "https" if way.is_tls else "http"
        sock = socket.create_connection(proxy.addresses[listener], 10)
        proxy.started += 1 + way.is_tunnel
        if way.is_socks:
            await asyncio.to_thread(open_socks_tunnel, sock, "ok.test", port)
        elif way.is_tunnel:
            await asyncio.to_thread(open_connect_tunnel, sock, f"ok.test:{port}")
        trust: ssl.SSLContext | None = proxy.ca.client_context() if way.is_tls else None
        scheme = "wss" if way.is_tls else "ws"
        async with connect(
            f"{scheme}://ok.test:{port}/", sock=sock, ssl=trust, max_size=None, proxy=None
        ) as connection:
            yield connection


@pytest.mark.parametrize("way", list(Way), ids=way_id)
async def test_ws_04_messages_of_every_size_and_kind_come_back(proxy: RunningProxy, way: Way) -> None:
    messages: list[str | bytes] = ["", "a", b"\0", "é" * 1000, b"\xff" * 65_536, "x" * (1 << 20), b"y" * (10 << 20)]
    async with session(proxy, way) as connection:
        for message in messages:
            await connection.send(message)
            assert await connection.recv() == message

    assert (await asyncio.to_thread(proxy.last_record))["status_code"] == 101


@pytest.mark.parametrize("way", list(Way), ids=way_id)
async def test_ws_04_fragments_pings_and_close_codes_pass(proxy: RunningProxy, way: Way) -> None:
    async with session(proxy, way) as connection:
        await connection.send(["frag", "men", "ted"])
        assert await connection.recv() == "fragmented"
        assert await (await connection.ping(b"are you there")) >= 0
        await connection.send("close with 4001")
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await connection.recv()

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")


async def test_many_sockets_at_once_are_kept_apart(proxy: RunningProxy) -> None:
    async def one(number: int) -> None:
        async with session(proxy, Way.CONNECT_TLS) as connection:
            for count in range(10):
                await connection.send(f"{number} {count}")
                assert await connection.recv() == f"{number} {count}"

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(one(number))
