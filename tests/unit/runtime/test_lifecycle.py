"""Start order as a launcher sees it, and a stop that ends what is idle and waits for what is not."""

import asyncio
import os
import signal
import socket
from dataclasses import replace

import pytest
from tests.fakes.log_lines import LogLines
from tests.fakes.loopback import closed, stream_of
from tests.fakes.transforms import FakeAllowlist, FakeTransform
from tests.unit.runtime.assembled import EVERYTHING, HTTP_ONLY, assembled

from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.pipeline.verdict import CONTINUE, Verdict
from iron_proxy.runtime import lifecycle as lifecycle_module
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.lifecycle import Lifecycle
from iron_proxy.streams.socket_stream import SocketStream

LONG = 5.0
REQUEST = b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n"


class Running:
    """A lifecycle in this test's own loop."""

    def __init__(self, assembly: Assembly, log: LogLines) -> None:
        self.assembly, self.log = assembly, log
        self.lifecycle = Lifecycle(assembly)
        self.task = asyncio.get_running_loop().create_task(self.lifecycle.run())

    async def started(self) -> None:
        async with asyncio.timeout(LONG):
            while "iron-proxy starting" not in self.log.messages:
                await asyncio.sleep(0)

    async def connect(self) -> SocketStream:
        return await stream_of(socket.create_connection(self.assembly.listeners[0].sock.getsockname()))

    async def stopped(self) -> None:
        async with asyncio.timeout(LONG):
            await self.task


class Slow(FakeTransform):
    """Holds every request until it is told to let go."""

    def __init__(self) -> None:
        super().__init__("slow")
        self.release, self.reached = asyncio.Event(), asyncio.Event()

    async def on_request(self, exchange: Exchange) -> Verdict:
        self.reached.set()
        await self.release.wait()
        return CONTINUE


async def busy(slow: Slow, log: LogLines) -> tuple[Running, SocketStream]:
    """A proxy, and a client in the middle of its exchange."""
    running = Running(assembled(HTTP_ONLY, Pipeline([slow])), log)
    await running.started()
    client = await running.connect()
    await client.write(REQUEST, LONG)
    await slow.reached.wait()
    return running, client


async def test_each_part_says_that_it_starts_and_then_all_of_it(process_log: LogLines) -> None:
    running = Running(assembled(EVERYTHING, Pipeline([FakeAllowlist("ok.test"), FakeTransform("audit")])), process_log)
    await running.started()
    running.lifecycle.request_stop()
    await running.stopped()

    assert process_log.messages[-8:] == [
        "http proxy starting",
        "https proxy starting",
        "tunnel proxy starting",
        "dns server starting",
        "metrics server starting",
        "iron-proxy starting",
        "transform pipeline",
        "iron-proxy stopped",
    ]
    assert process_log.said("transform pipeline")["transforms"] == "allowlist → audit"
    assert process_log.said("http proxy starting")["addr"].startswith("127.0.0.1:")
    assert process_log.said("iron-proxy starting")["http_listen"] == "127.0.0.1:0"


async def test_who_has_seen_the_line_can_connect(process_log: LogLines) -> None:
    running = Running(assembled(HTTP_ONLY), process_log)
    await running.started()

    client = await running.connect()
    await client.write(REQUEST, LONG)

    assert (await client.read(LONG)).startswith(b"HTTP/1.1 403 ")
    assert "transform pipeline" not in process_log.messages
    running.lifecycle.request_stop()
    await running.stopped()
    await closed(client)


async def test_a_stop_closes_idle_connections_and_ends_at_once(process_log: LogLines) -> None:
    running = Running(assembled(HTTP_ONLY), process_log)
    await running.started()
    silent, kept = await running.connect(), await running.connect()
    await kept.write(REQUEST, LONG)
    await kept.read(LONG)

    running.lifecycle.request_stop()
    await running.stopped()

    assert await silent.read(LONG) == b""
    assert await kept.read(LONG) == b""
    await closed(silent, kept)


async def test_a_stop_waits_for_an_exchange_that_is_going_on(process_log: LogLines) -> None:
    slow = Slow()
    running, client = await busy(slow, process_log)

    running.lifecycle.request_stop()
    await asyncio.sleep(0)
    assert not running.task.done()
    slow.release.set()
    await running.stopped()

    assert (await client.read(LONG)).startswith(b"HTTP/1.1 403 ")
    await closed(client)


async def test_what_does_not_end_in_time_is_cut(process_log: LogLines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_module, "DRAIN_SECONDS", 0.01)
    running, client = await busy(Slow(), process_log)

    running.lifecycle.request_stop()
    await running.stopped()

    assert process_log.messages[-1] == "iron-proxy stopped"
    await closed(client)


async def test_the_first_signal_drains_and_the_second_cuts(process_log: LogLines) -> None:
    running, client = await busy(Slow(), process_log)

    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(LONG):
        while not running.assembly.services.draining:
            await asyncio.sleep(0)
    assert process_log.said("received signal, shutting down")["signal"] == "terminated"
    assert not running.task.done()
    os.kill(os.getpid(), signal.SIGINT)
    await running.stopped()

    assert process_log.messages[-1] == "iron-proxy stopped"
    await closed(client)


async def test_before_a_delayed_drain_everything_is_served_and_a_second_signal_ends_the_wait(
    process_log: LogLines,
) -> None:
    config = replace(HTTP_ONLY, proxy=replace(HTTP_ONLY.proxy, drain_delay=3600.0))
    running = Running(assembled(config), process_log)
    await running.started()
    kept = await running.connect()
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(LONG):
        while "received signal, shutting down" not in process_log.messages:
            await asyncio.sleep(0)

    for client in (kept, late := await running.connect()):
        await client.write(REQUEST, LONG)
        assert (await client.read(LONG)).startswith(b"HTTP/1.1 403 ")
    os.kill(os.getpid(), signal.SIGTERM)
    await running.stopped()

    assert [await client.read(LONG) for client in (kept, late)] == [b"", b""]
    await closed(kept, late)


async def test_a_delay_ends_by_itself(process_log: LogLines) -> None:
    running = Running(assembled(replace(HTTP_ONLY, proxy=replace(HTTP_ONLY.proxy, drain_delay=0.01))), process_log)
    await running.started()

    running.lifecycle.request_stop()
    await running.stopped()

    assert process_log.messages[-1] == "iron-proxy stopped"


async def test_a_stop_closes_the_transforms(process_log: LogLines) -> None:
    class Closable(FakeTransform):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    transform = Closable()
    running = Running(assembled(HTTP_ONLY, Pipeline([transform])), process_log)
    await running.started()

    running.lifecycle.request_stop()
    await running.stopped()

    assert transform.closed


async def test_inside_another_program_it_says_when_it_serves_and_leaves_the_signals_alone(
    process_log: LogLines,
) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    lifecycle = Lifecycle(assembled(HTTP_ONLY), takes_signals=False)
    task = asyncio.get_running_loop().create_task(lifecycle.run())

    async with asyncio.timeout(LONG):
        await lifecycle.serving.wait()

    assert "iron-proxy starting" in process_log.messages
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    lifecycle.request_stop()
    async with asyncio.timeout(LONG):
        await task
