"""The `websockets` library as client and server, with the proxy between them: the same as without, and how it ends."""

import asyncio
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from tests.conftest import Fresh, Running
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
async def session(
    proxy: RunningProxy, way: Way, serve_one: Callable[[ServerConnection], Awaitable[None]] = echo, **options: Any
) -> AsyncIterator[ClientConnection]:
    """A WebSocket through the proxy to a server of this test; `options` are for both ends."""
    context = proxy.internet.server_context("ok.test") if way.is_tls else None
    async with serve(serve_one, ALLOWED, 0, ssl=context, max_size=None, **options) as server:
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
            f"{scheme}://ok.test:{port}/", sock=sock, ssl=trust, max_size=None, proxy=None, **options
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


@pytest.mark.parametrize("way", list(Way), ids=way_id)
async def test_sub_protocol_and_compression_are_between_the_two_ends(proxy: RunningProxy, way: Way) -> None:
    async with session(proxy, way, subprotocols=["superchat", "chat"]) as connection:
        await connection.send("squeeze me " * 1000)
        answer = await connection.recv()

    assert connection.subprotocol == "superchat"
    assert [extension.name for extension in connection.protocol.extensions] == ["permessage-deflate"]
    assert answer == "squeeze me " * 1000


class TwoEnds:
    """A server's connection as the test sees it: what it was told when it ended."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[tuple[int | None, str | None]] = asyncio.get_running_loop().create_future()

    async def serve(self, connection: ServerConnection) -> None:
        await echo(connection)
        await connection.wait_closed()
        self.closed.set_result((connection.close_code, connection.close_reason))


async def told(connection: ClientConnection) -> tuple[int | None, str | None]:
    """The code and the reason with which the proxy ends a session."""
    async with asyncio.timeout(10):
        await connection.wait_closed()
    return connection.close_code, connection.close_reason


@pytest.mark.parametrize("way", list(Way), ids=way_id)
async def test_a_stop_says_going_away_to_both_ends(fresh_proxy: Fresh, way: Way) -> None:
    proxy, ends = await asyncio.to_thread(fresh_proxy), TwoEnds()
    async with session(proxy, way, ends.serve) as connection:
        await connection.send("hello")
        await connection.recv()
        proxy.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(proxy.wait_for, lambda line: line["msg"] == "received signal, shutting down")
        await connection.send("still there")
        assert await connection.recv() == "still there"
        proxy.process.send_signal(signal.SIGTERM)         # the grace is over

        assert await told(connection) == (1001, "the proxy is shutting down")
        assert await ends.closed == (1001, "the proxy is shutting down")
    assert await asyncio.to_thread(proxy.wait_for_exit) == 0
    assert proxy.records()[-1]["status_code"] == 101


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"proxy__websocket_idle_timeout": "500ms"}, "nothing was said for too long"),
        ({"proxy__websocket_max_duration": "500ms"}, "the session has lasted too long"),
    ],
    ids=["idle", "too long"],
)
async def test_a_session_that_may_not_go_on_is_told_so(running: Running, limits: dict[str, Any], reason: str) -> None:
    proxy, ends = await asyncio.to_thread(lambda: running(**limits)), TwoEnds()
    async with session(proxy, Way.CONNECT_TLS, ends.serve) as connection:
        assert await told(connection) == (1001, reason)
        assert await ends.closed == (1001, reason)

    assert (await asyncio.to_thread(proxy.last_record))["status_code"] == 101


@pytest.mark.slow
async def test_pings_keep_a_session_that_is_idle_otherwise(running: Running) -> None:
    proxy = await asyncio.to_thread(lambda: running(proxy__websocket_idle_timeout="500ms"))
    async with session(proxy, Way.HTTPS, ping_interval=0.1) as connection:
        await asyncio.sleep(1.2)
        await connection.send("still there")

        assert await connection.recv() == "still there"
