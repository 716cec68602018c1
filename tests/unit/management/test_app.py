"""The pages: `/healthz` by any method, `/metrics`, a plain 404 for the rest, and a server that leaves signals alone."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message, Receive, Scope

from iron_proxy.listeners.binding import bind_tcp
from iron_proxy.management.app import build_app
from iron_proxy.management.page_server import PageServer


def page(content: bytes) -> Callable[[], Awaitable[bytes]]:
    async def render() -> bytes:
        return content

    return render


async def asked(
    path: str, method: str = "GET", *, stopping: bool = False, serving: bool = True
) -> tuple[int, bytes]:
    """(status, body) of a page."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
    }
    pages: Receive = receive
    await build_app(page(b"a_total 1\n"), lambda: stopping, lambda: serving)(scope, pages, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_healthz_answers_any_method(method: str) -> None:
    assert await asked("/healthz", method) == (200, b"OK")


async def test_healthz_answers_head() -> None:
    assert (await asked("/healthz", "HEAD"))[0] == 200


async def test_healthz_tells_that_a_stop_has_begun() -> None:
    assert await asked("/healthz", stopping=True) == (503, b"stopping")


async def test_metrics_are_rendered_for_whoever_asks() -> None:
    assert await asked("/metrics") == (200, b"a_total 1\n")


async def test_metrics_take_no_other_method() -> None:
    assert (await asked("/metrics", "POST"))[0] == 405


@pytest.mark.parametrize("path", ["/", "/health", "/healthz/x", "/docs", "/openapi.json"])
async def test_there_is_no_other_page(path: str) -> None:
    assert await asked(path) == (404, b"404 page not found\n")


async def test_the_server_answers_on_its_socket_and_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    sock = bind_tcp("127.0.0.1", 0, "metrics.listen")
    server = PageServer(sock, build_app(page(b""), lambda: False))
    running = asyncio.get_running_loop().create_task(server.run_pages())
    while not server.started:
        await asyncio.sleep(0)

    with socket.create_connection(sock.getsockname()) as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := await loop.sock_recv(client, 4096):
            answer += piece
    assert signal.getsignal(signal.SIGTERM) is before
    server.should_exit = True
    async with asyncio.timeout(5):
        await running

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nOK")
    assert b"\r\nserver:" not in answer.lower()


async def test_without_workers_nothing_is_healthy() -> None:
    assert await asked("/healthz", serving=False) == (503, b"no worker serves")
    assert await asked("/healthz", serving=False, stopping=True) == (503, b"stopping")
