"""A reload inside a running lifecycle: all or nothing, one after another, and the old one closed with its last user."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.log_lines import LogLines
from tests.fakes.loopback import closed, stream_of
from tests.fakes.transforms import FakeTransform

from iron_proxy.audit.record import EventRecord, Record
from iron_proxy.config.capacity import Capacity
from iron_proxy.config.loading import load_config
from iron_proxy.management.control import MANAGEMENT_API
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.pipeline.verdict import CONTINUE, Verdict
from iron_proxy.proxy.client_identity import ClientIdentities
from iron_proxy.runtime import reload as module
from iron_proxy.runtime.assemble import Assembly, assemble
from iron_proxy.runtime.lifecycle import Lifecycle
from iron_proxy.runtime.parts import Parts
from iron_proxy.runtime.policy_reading import Origin, Source
from iron_proxy.runtime.reload import Reloader
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.upstream.measured_pool import MeasuredPool
from iron_proxy.upstream.pool import Pool

LONG = 5.0
REQUEST = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
BASE = """\
dns: {enabled: false}
metrics: {listen: "off"}
proxy: {http_listen: "127.0.0.1:0", https_listen: "off"%s}
"""


class Slow(FakeTransform):
    """Holds a request, and knows when it is closed."""

    def __init__(self) -> None:
        super().__init__("slow")
        self.release, self.reached, self.is_closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def on_request(self, exchange: Exchange) -> Verdict:
        self.reached.set()
        await self.release.wait()
        return CONTINUE

    async def aclose(self) -> None:
        self.is_closed.set()


class Process:
    """A lifecycle with a file behind it."""

    def __init__(self, file: Path, pipeline: Pipeline, *, is_measured: bool = False) -> None:
        self.file = file
        self.records: list[Record] = []
        origin = Origin(str(file), {})
        config, _ = load_config(str(file), {})
        self.assembly: Assembly = assemble(
            config, pipeline, None, ClientIdentities(), is_measured=is_measured
        )
        self.assembly.services.audit.subscribe(self.records.append)
        self.lifecycle = Lifecycle(self.assembly, takes_signals=False, source=Source(origin, config, None))
        self.config = config

    @property
    def parts(self) -> Parts:
        assert self.lifecycle._parts is not None
        return self.lifecycle._parts

    @property
    def reloader(self) -> Reloader:
        return Reloader(Source(Origin(str(self.file), {}), self.config, None), self.assembly, self.parts)

    def write(self, more: str = "", proxy: str = "") -> None:
        self.file.write_text(BASE % proxy + more)

    @property
    def events(self) -> list[tuple[str, Any]]:
        return [(each.action, each.reload) for each in self.records if isinstance(each, EventRecord)]

    async def connect(self) -> SocketStream:
        return await stream_of(socket.create_connection(self.parts.accepting["http"].sock.getsockname()))


@asynccontextmanager
async def process(
    folder: Path, pipeline: Pipeline | None = None, *, is_measured: bool = False
) -> AsyncIterator[Process]:
    file = folder / "p.yaml"
    file.write_text(BASE % "")
    running = Process(file, pipeline or Pipeline([]), is_measured=is_measured)
    task = asyncio.get_running_loop().create_task(running.lifecycle.run())
    await running.lifecycle.serving.wait()
    try:
        yield running
    finally:
        running.lifecycle.request_stop()
        async with asyncio.timeout(LONG):
            await task


async def status(stream: SocketStream) -> bytes:
    await stream.write(REQUEST, LONG)
    return (await stream.read(LONG))[9:12]


async def test_the_next_request_on_an_open_connection_has_the_new_policy(
    tmp_path: Path, process_log: LogLines
) -> None:
    async with process(tmp_path) as running:
        kept = await running.connect()
        assert await status(kept) == b"403"
        running.write("transforms: [{name: header_allowlist, config: {headers: [Host]}}]\n", ", default_action: allow")

        result = await running.reloader.reload("test")

        assert (result.status, result.generation, result.problems) == ("ok", 2, ())
        assert await status(kept) == b"502"        # allowed, and there is no such name
        await closed(kept)
    assert running.events == [("allow", {"generation": 2, "by": "test"})]
    assert process_log.said("configuration reloaded")["transforms"] == ["header_allowlist"]


async def test_the_old_one_is_closed_when_its_last_request_has_ended(tmp_path: Path, process_log: LogLines) -> None:
    slow = Slow()
    async with process(tmp_path, Pipeline([slow])) as running:
        old = running.assembly.services
        client = await running.connect()
        await client.write(REQUEST, LONG)
        await slow.reached.wait()

        await running.reloader.reload("test")

        assert (old.users, running.parts.generations_closing, slow.is_closed.is_set()) == (1, 1, False)
        other = await running.connect()
        assert await status(other) == b"403"
        assert not slow.is_closed.is_set()
        slow.release.set()
        assert (await client.read(LONG))[9:12] == b"403"
        async with asyncio.timeout(LONG):
            await slow.is_closed.wait()
        while running.parts.generations_closing:
            await asyncio.sleep(0)
        await closed(client, other)


async def test_one_that_nobody_uses_is_closed_at_once_and_one_in_use_at_the_stop(
    tmp_path: Path, process_log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iron_proxy.runtime.lifecycle.DRAIN_SECONDS", 0.01)
    slow, idle = Slow(), Slow()
    async with process(tmp_path, Pipeline([slow])) as running:
        client = await running.connect()
        await client.write(REQUEST, LONG)
        await slow.reached.wait()
        await running.reloader.reload("test")
    assert slow.is_closed.is_set()
    await closed(client)

    async with process(tmp_path, Pipeline([idle])) as running:
        await running.reloader.reload("test")
        async with asyncio.timeout(LONG):
            await idle.is_closed.wait()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{{", "parsing config"),
        (BASE % "" + "surprise: 1\n", "p.yaml:4: surprise: unknown key"),
        (BASE % "" + "transforms: [{name: allowlist, config: {domains: ['*a*b']}}, {name: nope}]\n", "nope"),
        (BASE % ", upstream_tls: {ca_files: [/nowhere/ca.pem]}", "/nowhere/ca.pem"),
        (BASE % ', tunnel_listen: "203.0.113.1:1"' + "tls: {mode: sni-only}\n", "proxy.tunnel_listen"),
        (BASE.replace("enabled: false", "listen: '203.0.113.1:1', proxy_ip: 192.0.2.1") % "", "dns.listen"),
    ],
)  # fmt: skip
async def test_whatever_is_wrong_changes_nothing(
    tmp_path: Path, process_log: LogLines, text: str, problem: str
) -> None:
    async with process(tmp_path) as running:
        before, sock = running.assembly.services, running.parts.accepting["http"].sock
        running.file.write_text(text)
        reloader = running.reloader

        result = await reloader.reload("test")

        assert (result.status, result.generation) == ("refused", 1)
        assert problem in "\n".join(result.problems)
        assert running.assembly.services is before is before.newest
        assert running.parts.accepting["http"].sock is sock
        assert reloader.last is not None
        assert reloader.last["problems"] == list(result.problems)
        running.write()
        assert (await reloader.reload("test")).generation == 2
    assert [action for action, _ in running.events] == ["reject", "allow"]


async def test_a_bug_changes_nothing_and_tells_nothing(
    tmp_path: Path, process_log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(origin: Origin) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(module, "read_policy", fail)
    async with process(tmp_path) as running:
        result = await running.reloader.reload("test")

    assert (result.status, result.problems) == ("failed", ())
    assert process_log.said("reload failed: the configuration is as it was")["error"] == "RuntimeError"
    assert b"a secret" not in b"".join(process_log.written)


async def test_a_file_that_never_ends_is_given_up(
    tmp_path: Path, process_log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()
    monkeypatch.setattr(module, "READ_SECONDS", 0.01)
    monkeypatch.setattr(module, "read_policy", lambda origin: end.wait(10))
    async with process(tmp_path) as running:
        reloader = running.reloader
        first, second = await reloader.reload("test"), await reloader.reload("test")
        end.set()

    assert [(each.status, "took too long" in each.problems[0]) for each in (first, second)] == [("refused", True)] * 2


async def test_calls_at_once_take_turns_and_share_what_has_not_begun(tmp_path: Path, process_log: LogLines) -> None:
    async with process(tmp_path) as running:
        reloader = running.reloader
        async with asyncio.TaskGroup() as group:
            first = group.create_task(reloader.reload("first"))
            while reloader._about_to_begin is not None or not reloader._lock.locked():
                await asyncio.sleep(0)
            others = [group.create_task(reloader.reload(f"other {number}")) for number in range(5)]

    assert first.result().generation == 2
    assert {other.result().generation for other in others} == {3}


async def test_who_gives_up_waiting_does_not_end_it(tmp_path: Path, process_log: LogLines) -> None:
    async with process(tmp_path) as running:
        reloader = running.reloader
        caller = asyncio.get_running_loop().create_task(reloader.reload("test"))
        await asyncio.sleep(0)
        caller.cancel()
        async with asyncio.timeout(LONG):
            while running.assembly.services.snapshot.generation == 1:
                await asyncio.sleep(0)


async def test_listeners_come_and_go_and_are_our_own_only_while_they_are_there(
    tmp_path: Path, process_log: LogLines
) -> None:
    async with process(tmp_path) as running:
        reloader = running.reloader
        old = running.parts.accepting["http"].sock.getsockname()
        own = running.assembly.own
        assert own.includes(*old)
        running.file.write_text(BASE.replace("127.0.0.1:0", "127.0.0.2:0") % "")

        await reloader.reload("test")

        new = running.parts.accepting["http"].sock.getsockname()
        assert new[0] == "127.0.0.2"
        assert (own.includes(*new), own.includes(*old)) == (True, False)
        kept = await running.connect()
        running.write(proxy=', http2: "off"')
        running.file.write_text(running.file.read_text().replace('"127.0.0.1:0"', '"off"'))
        await reloader.reload("test")
        assert running.parts.accepting == {}
        assert await status(kept) == b"403"
        await closed(kept)


async def test_dns_is_renewed_moved_and_ended(tmp_path: Path, process_log: LogLines) -> None:
    dns = BASE.replace("enabled: false", "listen: '127.0.0.%d:0', proxy_ip: 192.0.2.1, lookups_per_minute: %d")
    async with process(tmp_path) as running:
        reloader = running.reloader
        places = []
        for text in (dns % (1, 5, ""), dns % (1, 6, ""), dns % (2, 6, ""), BASE % ""):
            running.file.write_text(text)
            assert (await reloader.reload("test")).status == "ok"
            part = running.parts.dns
            places.append(None if part is None else part.part.datagrams[0].getsockname())

    assert places[0] == places[1]
    assert [None if place is None else place[0] for place in places] == ["127.0.0.1", "127.0.0.1", "127.0.0.2", None]


async def test_upstreams_words_are_said_where_the_api_asked(tmp_path: Path, process_log: LogLines) -> None:
    async with process(tmp_path) as running:
        await running.reloader.reload(MANAGEMENT_API)

    assert process_log.said("pipeline reloaded via management API")["postgres_listener"] is False


async def test_the_log_level_is_the_new_one(tmp_path: Path, process_log: LogLines) -> None:
    async with process(tmp_path) as running:
        running.write("log: {level: error}\n")
        await running.reloader.reload("test")

    assert "configuration reloaded" not in process_log.messages


@pytest.mark.parametrize("is_measured", [True, False])
async def test_upstreams_are_measured_after_a_reload_as_before_and_the_counts_go_on(
    tmp_path: Path, process_log: LogLines, is_measured: bool
) -> None:
    async with process(tmp_path, is_measured=is_measured) as running:
        former = running.assembly.services.pool
        assert (await running.reloader.reload("a test")).status == "ok"
        pool = running.assembly.services.pool

        assert pool is not former
        assert type(pool) is type(former) is (MeasuredPool if is_measured else Pool)
        if isinstance(pool, MeasuredPool):
            assert pool._observer is running.assembly.upstream_metrics


async def test_other_limits_are_in_force_at_once_and_close_nobody(tmp_path: Path, process_log: LogLines) -> None:
    async with process(tmp_path) as running:
        kept = await running.connect()
        assert await status(kept) == b"403"
        running.write("limits: {connections: 1, connections_per_client: 1, idle: 1h, body_memory: 2MiB}\n")

        await running.reloader.reload("test")

        assert running.assembly.services.limits.idle == 3600.0
        assert running.assembly.counts.capacity == Capacity(1, 1)
        assert running.assembly.services.process.body_memory.limit == 2 * 1024**2
        refused = await running.connect()
        with pytest.raises(StreamReset):
            await refused.read(LONG)
        assert await status(kept) == b"403"
        await closed(kept, refused)
    assert [each.limit["refused"] for each in running.records if isinstance(each, EventRecord) and each.limit] == [1]
