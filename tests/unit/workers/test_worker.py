"""A worker and its orders. What it does with traffic is tested with real processes, in `end_to_end/test_workers.py`."""

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.fakes.log_lines import LogLines
from tests.unit.runtime.assembled import EVERYTHING
from tests.unit.workers.supervised import TEXT, policy, start_of, supervised

from iron_proxy.errors import IronProxyError
from iron_proxy.runtime.fleet import Look, Shown
from iron_proxy.workers import messages
from iron_proxy.workers.channel import ChannelClosed
from iron_proxy.workers.doors import SharedPorts

pytestmark = pytest.mark.usefixtures("process_log")

ALLOWING = TEXT + b"transforms: [{name: allowlist, config: {domains: [a.test]}}]\n"


@pytest.fixture
def ports() -> SharedPorts:
    return SharedPorts(replace(EVERYTHING.proxy, tunnel_listen=None))


async def test_it_serves_records_and_ends_without_a_word(ports: SharedPorts, process_log: LogLines) -> None:
    async with supervised(ports) as worker:
        await worker.start()
        assert b" 403 " in await worker.get("/x")
        worker.channel.tell(messages.DRAIN, None)
        await asyncio.wait([worker.task])
        record = json.loads(worker.audit.recv(100_000))

    assert (record["path"], record["action"]) == ("/x", "reject")
    assert not [each for each in process_log.messages if "starting" in each or "stopped" in each]


async def test_it_tells_how_it_stands(ports: SharedPorts) -> None:
    async with supervised(ports) as worker:
        await worker.start()
        await worker.get()
        with socket.create_connection(worker.doors["http"].getsockname()):
            while (shown := await worker.channel.ask(messages.CONNECTIONS, None, Shown)).total != 1:
                pass                      # the one before may still be closing
            look = await worker.channel.ask(messages.LOOK, None, Look)

    assert [each["is_tunnel"] for each in shown.connections] == [False]
    assert (look.generation, look.generations_closing, look.readings.connections) == (1, 0, 1)
    assert [(each[0], each[3]) for each in look.counts.requests.requests] == [("reject", 1)]


async def test_records_are_shown_while_somebody_watches(ports: SharedPorts) -> None:
    async with supervised(ports) as worker:
        await worker.start()
        await worker.get("/before")
        worker.channel.tell(messages.WATCH, True)
        await worker.get("/seen")
        worker.channel.tell(messages.WATCH, False)
        await worker.get("/after")
        await worker.channel.ask(messages.LOOK, None, Look)

    assert [json.loads(line)["path"] for line in worker.shown] == ["/seen"]


async def test_a_policy_is_in_force_from_its_commit_on(ports: SharedPorts) -> None:
    async with supervised(ports) as worker:
        await worker.start()
        prepared = await worker.channel.ask(messages.PREPARE, policy(ALLOWING, 2), list[str])
        before = await worker.get()
        await worker.channel.ask(messages.COMMIT, [("127.0.0.1", 2)], type(None))
        after = await worker.get()
        look = await worker.channel.ask(messages.LOOK, None, Look)

    assert prepared == []
    assert b" 403 " in before
    assert b" 403 " not in after
    assert look.generation == 2


async def test_one_that_is_given_up_is_never_in_force(ports: SharedPorts) -> None:
    async with supervised(ports) as worker:
        await worker.start()
        await worker.channel.ask(messages.PREPARE, policy(ALLOWING, 2), list[str])
        worker.channel.tell(messages.ABANDON, None)
        with pytest.raises(IronProxyError, match="no policy is prepared"):
            await worker.channel.ask(messages.COMMIT, [], type(None))
        assert b" 403 " in await worker.get()


async def test_what_is_wrong_with_one_is_told(ports: SharedPorts) -> None:
    async with supervised(ports) as worker:
        await worker.start()

        problems = await worker.channel.ask(messages.PREPARE, policy(TEXT + b"log: {level: loud}\n", 2), list[str])

    assert [each.partition(" (")[0] for each in problems] == ['proxy.yaml:4: log.level: unknown log level: "loud"']


async def test_another_version_does_not_start(ports: SharedPorts) -> None:
    async with supervised(ports) as worker:
        with pytest.raises(IronProxyError, match=r"^the program was replaced while it ran \(it was 0\.0\.1 and is "):
            await worker.start(start_of(version="0.0.1"))


async def test_without_a_supervisor_it_ends_at_once(ports: SharedPorts) -> None:
    async with supervised(ports) as worker:
        await worker.start()
        with socket.create_connection(worker.doors["http"].getsockname()) as client:
            while not (await worker.channel.ask(messages.CONNECTIONS, None, Shown)).total:
                pass
            worker.channel.close()
            await asyncio.wait([worker.task])
            client.settimeout(10)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
        with pytest.raises(ChannelClosed):
            await worker.channel.ask(messages.LOOK, None, Look)


async def test_one_that_has_not_begun_ends_when_told(ports: SharedPorts) -> None:
    async with supervised(ports) as worker:
        worker.channel.tell(messages.DRAIN, None)
        await asyncio.wait([worker.task])
