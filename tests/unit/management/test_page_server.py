"""uvicorn with deadlines: it leaves signals alone, and who only connects keeps nobody out."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from iron_proxy.listeners.binding import bind_tcp
from iron_proxy.management import page_server as module
from iron_proxy.management.page_server import PageServer

ASK = b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"


async def page(request: Request) -> PlainTextResponse:
    assert request.client is not None
    return PlainTextResponse(f"OK {request.client.host}")


class Served:
    def __init__(self, sock: socket.socket) -> None:
        self.address = sock.getsockname()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    sock = bind_tcp("127.0.0.1", 0, "metrics.listen")
    server = PageServer(sock, Starlette(routes=[Route("/", page)]))
    running = asyncio.get_running_loop().create_task(server.run_pages())
    while not server.started:
        await asyncio.sleep(0)
    yield Served(sock)
    server.should_exit = True
    async with asyncio.timeout(5):
        await running


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(ASK)
    async with asyncio.timeout(5):
        return await reader.readuntil(b"OK 127.0.0.1")


async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def test_it_answers_on_its_socket_and_leaves_signals_alone(served: Served) -> None:
    before = signal.getsignal(signal.SIGTERM)
    reader, writer = await served.connect()

    answer = await asked(reader, writer)

    assert signal.getsignal(signal.SIGTERM) is before
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nserver:" not in answer.lower()
    writer.close()


async def test_who_asks_for_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch, served: Served) -> None:
    monkeypatch.setattr(module, "HEAD_SECONDS", 0.01)
    silent, slow, kept = await served.connect(), await served.connect(), await served.connect()
    slow[1].write(ASK[:20])
    await asked(*kept)
    kept[1].write(ASK[:20])

    assert [await closed(*each) for each in (silent, slow, kept)] == [b"", b"", b""]


async def test_the_oldest_of_too_many_that_wait_goes(monkeypatch: pytest.MonkeyPatch, served: Served) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    waiting = [await served.connect() for _ in range(3)]
    last = await served.connect()

    assert (await asked(*last)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert await closed(*waiting[0]) == b""
    assert (await asked(*waiting[2])).startswith(b"HTTP/1.1 200 OK\r\n")
    for _, writer in (*waiting, last):
        writer.close()
