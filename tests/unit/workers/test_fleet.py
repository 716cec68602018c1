"""Which worker is started when, and a policy that all have or none, with processes that only pretend."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from tests.fakes.log_lines import LogLines
from tests.unit.management.test_readings import WORKER
from tests.unit.runtime.assembled import EVERYTHING
from tests.unit.workers.supervised import LONG, policy

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.record import EventRecord, Record
from iron_proxy.errors import ConfigError, IronProxyError, StartupError
from iron_proxy.management.request_metrics import RequestMetrics
from iron_proxy.management.upstream_metrics import UpstreamMetrics
from iron_proxy.runtime.assemble import NoLeaves
from iron_proxy.runtime.fleet import Counted, Look, NewPolicy
from iron_proxy.runtime.policy_reading import Origin
from iron_proxy.workers import fleet as fleet_module
from iron_proxy.workers import messages
from iron_proxy.workers.channel import ChannelClosed
from iron_proxy.workers.doors import Doors, SharedPorts
from iron_proxy.workers.fleet import WorkerFleet
from iron_proxy.workers.messages import Start

PROXY = replace(EVERYTHING.proxy, https_listen=None, tunnel_listen=None)
NEW = NewPolicy(b"new", 2, has_ca=False, keeps_leaves=True)


class FakeChannel:
    """What a worker was asked and told; `answers` by question."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.told: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {messages.PREPARE: [], messages.COMMIT: None}

    async def ask(self, name: str, body: Any, kind: type[Any], seconds: float | None = None) -> Any:
        self.asked.append((name, body))
        await asyncio.sleep(0)
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def tell(self, name: str, body: Any) -> bool:
        self.told.append((name, body))
        return True


class FakeProcess:
    """A worker that serves at once, until it is told to end or `die`s."""

    all: ClassVar[list["FakeProcess"]] = []
    failures: ClassVar[list[StartupError]] = []

    def __init__(self, number: int, group: Any, issue: Any, show: Callable[[bytes], None], miss: Any) -> None:
        self.number, self.show, self.miss, self.issue = number, show, miss, issue
        self.pid = 1000 + len(self.all)
        self.channel = FakeChannel()
        self.state, self.lived = "starting", 1.0
        self.last_look: Look | None = None
        self.reading: list[Any] = []
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.all.append(self)

    async def launch(self, doors: Doors, start: Start, audit: AuditEmitter, environment: Mapping[str, str]) -> None:
        self.doors, self.started = dict(doors), start
        if self.failures:
            self.die("exit status 1")
            raise self.failures.pop()
        self.state = "serving"

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def look(self) -> Look | None:
        return self.last_look

    async def end(self) -> str:
        reason = await self.ended
        self.state = "ended"
        return reason

    def die(self, reason: str = "killed by SIGKILL") -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    kill = die


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> list[FakeProcess]:
    started: list[FakeProcess] = []
    monkeypatch.setattr(FakeProcess, "all", started)
    monkeypatch.setattr(FakeProcess, "failures", [])
    monkeypatch.setattr(fleet_module, "WorkerProcess", FakeProcess)
    monkeypatch.setattr(fleet_module, "_GRACE_SECONDS", 0.0)
    return started


@asynccontextmanager
async def running(count: int = 2, records: list[Record] | None = None) -> AsyncIterator[WorkerFleet]:
    audit = AuditEmitter(seed_envelope, lambda lines: None, () if records is None else [records.append])
    fleet = WorkerFleet(count, SharedPorts(PROXY), Origin("f", {}), policy(), audit, NoLeaves())
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        assert await fleet.start(group, lambda: [("127.0.0.1", 1)]) is None
        yield fleet
        for process in FakeProcess.all:
            process.die("exit status 0")
        await fleet.drain(0.0)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0)


async def test_all_begin_alike_each_with_sockets_of_its_own(processes: list[FakeProcess]) -> None:
    async with running(3) as fleet:
        assert fleet.is_serving
        assert [each.started.policy.generation for each in processes] == [1, 1, 1]
        assert [each.started.own_listeners for each in processes] == [[("127.0.0.1", 1)]] * 3
        assert len({each.doors["http"].fileno() for each in processes}) == 3
        assert [sight.state for sight in await fleet.look()] == ["serving"] * 3


async def test_one_that_cannot_start_keeps_all_from_it(processes: list[FakeProcess]) -> None:
    FakeProcess.failures.append(StartupError("no room"))
    audit = AuditEmitter(seed_envelope, lambda lines: None)
    fleet = WorkerFleet(2, SharedPorts(PROXY), Origin("f", {}), policy(), audit, NoLeaves())
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        failure = await fleet.start(group, list)
        await fleet.drain(0.0)

    assert str(failure) == "no room"
    assert len(processes) == 2
    assert all(sock.fileno() == -1 for each in processes for sock in each.doors.values())


async def test_one_that_dies_is_followed_on_the_same_sockets_and_told_of(
    processes: list[FakeProcess], process_log: LogLines
) -> None:
    records: list[Record] = []
    async with running(2, records) as fleet:
        counted = RequestMetrics()
        counted.requests["allow", "r", 2] = 5
        processes[0].last_look = Look(WORKER, Counted(counted.counts(), UpstreamMetrics().counts()), 1, 0, [])
        processes[0].die()
        await until(lambda: len(processes) == 3 and processes[2].state == "serving")
        assert processes[2].doors == processes[0].doors
        await until(lambda: "worker serves again" in process_log.messages)
        assert [(sight.number, sight.pid, sight.restarts) for sight in await fleet.look()] == [
            (1, 1002, 1), (2, 1001, 0),
        ]  # fmt: skip
        assert [each.connections for each in fleet.former_readings] == [0]
        assert [each.requests.requests for each in fleet.former_counts] == [[("allow", "r", 2, 5)]]

    [event] = records
    assert isinstance(event, EventRecord)
    assert (event.event, event.action, event.reason) == ("worker", "error", "killed by SIGKILL")
    assert event.worker == {"number": 1, "pid": 1000, "uptime_seconds": 1.0, "restart_in_seconds": 0.0}
    assert process_log.said("worker died")["reason"] == "killed by SIGKILL"
    assert fleet.restarts == 1


@pytest.mark.slow
async def test_one_that_dies_again_leaves_its_connections_to_the_others(
    processes: list[FakeProcess], process_log: LogLines
) -> None:
    async with running(2) as fleet:
        processes[0].die()
        await until(lambda: len(processes) == 3)
        processes[2].die()
        await until(lambda: not fleet._places[0].doors)
        assert [sock.fileno() for sock in processes[2].doors.values()] == [-1]
        assert fleet.is_serving
        await until(lambda: len(processes) == 4 and processes[3].state == "serving")
        assert processes[3].doors["http"].getsockname() == processes[1].doors["http"].getsockname()


@pytest.mark.slow
async def test_one_that_cannot_start_again_is_tried_again(
    processes: list[FakeProcess], process_log: LogLines
) -> None:
    async with running(2):
        FakeProcess.failures.append(StartupError("no memory"))
        processes[0].lived = 1e6                 # the failed one has not lived at all
        processes[0].die()
        await until(lambda: len(processes) == 4 and processes[3].state == "serving")

    died = [line for line in process_log.lines if line["msg"] == "worker died"]
    assert [(line["reason"], line["restart_in_seconds"]) for line in died] == [
        ("killed by SIGKILL", 0.0), ("no memory", 0.5),
    ]  # fmt: skip


async def test_a_policy_is_prepared_everywhere_and_then_in_force(processes: list[FakeProcess]) -> None:
    async with running() as fleet:
        await fleet.prepare(NEW)
        told = await fleet.commit(NoLeaves())
        processes[1].die()
        await until(lambda: len(processes) == 3)

        assert told == ({"worker": 1, "status": "ok"}, {"worker": 2, "status": "ok"})
        assert [name for name, _ in processes[0].channel.asked] == ["prepare", "commit"]
        assert processes[2].started.policy.text == b"new"


async def test_what_one_refuses_none_has(processes: list[FakeProcess]) -> None:
    async with running() as fleet:
        processes[1].channel.answers[messages.PREPARE] = ["f:1: x: wrong"]
        with pytest.raises(ConfigError, match=r"^worker 2: f:1: x: wrong$"):
            await fleet.prepare(NEW)
        processes[0].die()
        await until(lambda: len(processes) == 3)

        assert [each.channel.told for each in processes[:2]] == [[(messages.ABANDON, None)]] * 2
        assert processes[2].started.policy.generation == 1


@pytest.mark.parametrize("failure", [ChannelClosed(), IronProxyError("internal error")])
async def test_one_that_cannot_follow_is_replaced(processes: list[FakeProcess], failure: Exception) -> None:
    async with running() as fleet:
        processes[0].channel.answers[messages.COMMIT] = failure
        await fleet.prepare(NEW)

        assert await fleet.commit(NoLeaves()) == (
            {"worker": 1, "status": "restarting"}, {"worker": 2, "status": "ok"},
        )  # fmt: skip
        await until(lambda: len(processes) == 3)
        assert processes[2].started.policy.generation == 2


async def test_one_that_dies_over_it_does_not_keep_the_others_from_it(processes: list[FakeProcess]) -> None:
    async with running() as fleet:
        processes[0].channel.answers[messages.PREPARE] = ChannelClosed()

        await fleet.prepare(NEW)

        assert len(await fleet.commit(NoLeaves())) == 2


async def test_records_come_from_all_while_somebody_watches(processes: list[FakeProcess]) -> None:
    seen: list[bytes] = []
    missed: list[int] = []
    async with running() as fleet:
        end = fleet.watch(seen.append, missed.append)
        processes[0].show(b"a\n")
        processes[1].miss(3)
        processes[0].die()
        await until(lambda: len(processes) == 3 and processes[2].state == "serving")
        end()
        processes[1].show(b"b\n")

        assert processes[1].channel.told == [(messages.WATCH, True), (messages.WATCH, False)]
        assert processes[2].channel.told == [(messages.WATCH, True), (messages.WATCH, False)]
    assert (seen, missed) == ([b"a\n"], [3])


async def test_without_a_ca_no_leaf_is_issued(processes: list[FakeProcess]) -> None:
    async with running():
        with pytest.raises(IronProxyError, match="no CA is configured"):
            await processes[0].issue(messages.LeafWanted("a.test", False, True))


async def test_who_does_not_end_in_time_is_killed(processes: list[FakeProcess]) -> None:
    async with running() as fleet:
        processes[0].die("exit status 0")
        fleet._stopping.set()
        await fleet.drain(0.0)

    assert [each.ended.result() for each in processes] == ["exit status 0", "killed by SIGKILL"]
    assert (messages.DRAIN, None) in processes[1].channel.told
