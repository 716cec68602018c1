"""
The workers of a supervisor: started together, started again when one dies, changed all at once or not at all.

See `runtime/fleet.py: Fleet`, which this is. A worker that is gone is reported three times: in the process log, in the
audit log, and as a metric.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.record import EventRecord, timestamp
from iron_proxy.certs.issued_leaves import IssuedLeaves
from iron_proxy.certs.leaf_signer import SignedLeaf
from iron_proxy.errors import ConfigError, IronProxyError, StartupError
from iron_proxy.listeners.binding import address_text
from iron_proxy.management.readings import Readings
from iron_proxy.management.request_metrics import RequestMetrics
from iron_proxy.management.upstream_metrics import UpstreamMetrics
from iron_proxy.proxy.services import Leaves
from iron_proxy.runtime.fleet import Counted, NewPolicy, Shown, Sight
from iron_proxy.runtime.policy_reading import Origin
from iron_proxy.runtime.process_log import report
from iron_proxy.runtime.reload import READ_SECONDS
from iron_proxy.version import __version__
from iron_proxy.workers import messages
from iron_proxy.workers.backoff import Backoff
from iron_proxy.workers.channel import ChannelClosed
from iron_proxy.workers.doors import Doors, SharedPorts, close_doors
from iron_proxy.workers.messages import LeafWanted, Policy, Start
from iron_proxy.workers.process import GLANCE_SECONDS, WorkerProcess

# A worker that drains for as long as it may still has to write its records and to end.
_GRACE_SECONDS: Final = 1.0
# What is read of ended workers' records, which are in the socket already; as long as a stop waits for the log.
_LAST_LINES_SECONDS: Final = 5.0
_COMMIT_SECONDS: Final = 10.0

Result = TypeVar("Result")
Take = Callable[[bytes], None]
Miss = Callable[[int], None]


class Place:
    """Where one worker after the other serves. `number` counts from 1."""

    def __init__(self, number: int, doors: Doors) -> None:
        self.number = number
        self.doors = doors
        self.worker: WorkerProcess | None = None
        self.deaths = 0
        self.backoff = Backoff()

    @property
    def state(self) -> str:
        """starting, serving, or ended where the next one waits for its time."""
        return "starting" if self.worker is None else self.worker.state


class WorkerFleet:
    """So many workers on shared ports. Raises StartupError where a port cannot be had."""

    def __init__(
        self, count: int, ports: SharedPorts, origin: Origin, policy: Policy, audit: AuditEmitter, leaves: Leaves
    ) -> None:
        self._ports = ports
        self._origin, self._policy, self._prepared = origin, policy, policy
        self._audit, self._leaves = audit, leaves
        self._places: list[Place] = []
        try:
            for number in range(1, count + 1):
                self._places.append(Place(number, ports.open()))
        except StartupError:
            self._close_doors()
            raise
        doors = self._places[0].doors
        self.listening = {name: address_text(sock) for name, sock in doors.items()}
        self.own_addresses: Sequence[tuple[str, int]] = [sock.getsockname()[:2] for sock in doors.values()]
        self.restarts = 0
        self._stopping = asyncio.Event()
        # Held while a worker starts and while a policy is changed, so that none begins under another one's.
        self._changing = asyncio.Lock()
        self._keepers: list[asyncio.Task[None]] = []
        self._watchers: list[tuple[Take, Miss]] = []
        self._former_readings: Readings | None = None
        self._former_requests, self._former_upstream = RequestMetrics(), UpstreamMetrics()

    # --- start ------------------------------------------------------------------------------------------------------

    async def start(self, group: asyncio.TaskGroup, own: Callable[[], list[tuple[str, int]]]) -> IronProxyError | None:
        """See `Fleet`."""
        self._group, self._own = group, own
        async with self._changing:
            failures = await asyncio.gather(*(self._start_first(place) for place in self._places))
        if any(failure is not None for failure in failures):
            self._stopping.set()                 # none of them is started again
        self._keepers = [
            group.create_task(self._keep(place), name=f"worker {place.number}")
            for place in self._places
            if place.worker is not None
        ]
        return next((failure for failure in failures if failure is not None), None)

    async def _start_first(self, place: Place) -> IronProxyError | None:
        try:
            await self._launch(place)
        except StartupError as error:
            return error
        return None

    async def _launch(self, place: Place) -> None:
        place.worker = worker = WorkerProcess(place.number, self._group, self._issue_leaf, self._show, self._miss)
        start = Start(__version__, self._origin.path, self._policy, self._own())
        await worker.launch(place.doors, start, self._audit, self._origin.environment)
        if self._watchers:
            worker.channel.tell(messages.WATCH, True)
        if self._stopping.is_set():
            worker.channel.tell(messages.DRAIN, None)

    async def _issue_leaf(self, wanted: LeafWanted) -> SignedLeaf:
        if not isinstance(self._leaves, IssuedLeaves):
            raise IronProxyError("no CA is configured")
        return await self._leaves.issue(wanted.host, wanted.is_ip, wanted.admitted)

    # --- life -------------------------------------------------------------------------------------------------------

    @property
    def is_serving(self) -> bool:
        """See `Fleet`."""
        return any(place.state == "serving" for place in self._places)

    async def _keep(self, place: Place) -> None:
        """From the first worker of a place to its last."""
        failure = ""
        while place.worker is not None:
            reason = await self._live(place.worker)
            if self._stopping.is_set():
                return
            pause = self._note_death(place, place.worker, reason, failure)
            if pause:
                close_doors(place.doors)         # who would wait there is served by the others
                place.doors = {}
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
                    return
            failure = await self._start_again(place)

    async def _live(self, worker: WorkerProcess) -> str:
        watch = self._group.create_task(worker.watch(), name=f"watch of worker {worker.number}")
        try:
            return await worker.end()
        finally:
            watch.cancel()

    async def _start_again(self, place: Place) -> str:
        """Why it did not succeed, or an empty text."""
        self.restarts += 1
        async with self._changing:
            try:
                if not place.doors:
                    place.doors = self._ports.open()
                await self._launch(place)
            except StartupError as error:
                return str(error)
        worker = place.worker
        report(logging.INFO, "worker serves again", worker=place.number, pid=None if worker is None else worker.pid)
        return ""

    def _note_death(self, place: Place, worker: WorkerProcess, reason: str, failure: str) -> float:
        """Report it and keep what it had counted; the pause before the next one. `failure`: it never served."""
        lived = 0.0 if failure else worker.lived
        place.deaths += 1
        pause = place.backoff.pause_after(lived)
        look, worker.last_look = worker.last_look, None
        if look is not None:
            self._keep_numbers(look.readings.when_it_ended(), look.counts)
        details = {"pid": worker.pid, "uptime_seconds": round(lived, 3), "restart_in_seconds": pause}
        report(logging.ERROR, "worker died", worker=place.number, reason=failure or reason, **details)
        self._audit.emit(
            EventRecord(
                time=timestamp(),
                level="ERROR",
                event="worker",
                action="error",
                reason=failure or reason,
                worker={"number": place.number, **details},
            )
        )
        return pause

    def _keep_numbers(self, readings: Readings, counts: Counted) -> None:
        former = self._former_readings
        self._former_readings = readings if former is None else former.plus_worker(readings)
        self._former_requests.add(counts.requests)
        self._former_upstream.add(counts.upstream)

    # --- stop -------------------------------------------------------------------------------------------------------

    async def drain(self, seconds: float) -> None:
        """See `Fleet`."""
        self._stopping.set()
        self._close_doors()
        self._tell_all(messages.DRAIN, None)
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=seconds + _GRACE_SECONDS)
            for place in self._places if late else ():
                if place.worker is not None:
                    place.worker.kill()
            await asyncio.gather(*self._keepers)
        await self._read_last_lines()

    async def _read_last_lines(self) -> None:
        reading = [task for place in self._places if place.worker is not None for task in place.worker.reading]
        if reading:
            _, late = await asyncio.wait(reading, timeout=_LAST_LINES_SECONDS)
            for task in late:
                task.cancel()

    def cut(self) -> None:
        """See `Fleet`."""
        self._tell_all(messages.CUT, None)
        for place in self._places:
            if place.worker is not None and place.worker.state == "starting":
                place.worker.kill()

    def _close_doors(self) -> None:
        for place in self._places:
            close_doors(place.doors)

    # --- policy -----------------------------------------------------------------------------------------------------

    async def prepare(self, policy: NewPolicy) -> None:
        """See `Fleet`."""
        await self._changing.acquire()
        try:
            self._prepared = Policy(policy.text, policy.generation, policy.has_ca, policy.keeps_leaves)
            answers = await self._ask_all(messages.PREPARE, self._prepared, list[str], READ_SECONDS + GLANCE_SECONDS)
            problems = [f"worker {place.number}: {each}" for place, found in answers for each in found or ()]
            if problems:
                raise ConfigError(problems)
        except BaseException:
            self.abandon()
            raise

    async def commit(self, leaves: Leaves) -> tuple[dict[str, Any], ...]:
        """See `Fleet`."""
        self._policy, self._leaves = self._prepared, leaves
        try:
            return tuple([await self._commit(place) for place in self._places])
        finally:
            self._changing.release()

    async def _commit(self, place: Place) -> dict[str, Any]:
        worker = place.worker
        if worker is not None and worker.state == "serving":
            try:
                await worker.channel.ask(messages.COMMIT, self._own(), type(None), _COMMIT_SECONDS)
            except (ChannelClosed, IronProxyError):
                worker.kill()                    # its successor begins under the new policy
            else:
                return {"worker": place.number, "status": "ok"}
        return {"worker": place.number, "status": "restarting"}

    def abandon(self) -> None:
        """See `Fleet`."""
        self._tell_serving(messages.ABANDON, None)
        self._changing.release()

    # --- what is asked of all ---------------------------------------------------------------------------------------

    async def _ask_all(
        self, name: str, body: Any, kind: type[Result], seconds: float
    ) -> list[tuple[Place, Result | None]]:
        """The answers of those that serve; None from one that has died over it."""

        async def ask(place: Place, worker: WorkerProcess) -> tuple[Place, Result | None]:
            try:
                return place, await worker.channel.ask(name, body, kind, seconds)
            except ChannelClosed:
                return place, None

        serving = [(place, place.worker) for place in self._places if place.state == "serving"]
        return await asyncio.gather(*(ask(place, worker) for place, worker in serving if worker is not None))

    def _tell_all(self, name: str, body: Any) -> None:
        for place in self._places:
            if place.worker is not None:
                place.worker.channel.tell(name, body)

    def _tell_serving(self, name: str, body: Any) -> None:
        for place in self._places:
            if place.worker is not None and place.worker.state == "serving":
                place.worker.channel.tell(name, body)

    async def look(self) -> Sequence[Sight]:
        """See `Fleet`."""
        return await asyncio.gather(*map(self._look, self._places))

    async def _look(self, place: Place) -> Sight:
        worker = place.worker
        if worker is None:
            return Sight(place.number, None, place.state, place.deaths, 0.0, None)
        look = await worker.look()
        return Sight(place.number, worker.pid, place.state, place.deaths, worker.lived, look)

    async def connections(self) -> list[tuple[int, Shown]]:
        """See `Fleet`."""
        answers = await self._ask_all(messages.CONNECTIONS, None, Shown, GLANCE_SECONDS)
        return [(place.number, shown) for place, shown in answers if shown is not None]

    @property
    def former_readings(self) -> Sequence[Readings]:
        """See `Fleet`."""
        return () if self._former_readings is None else (self._former_readings,)

    @property
    def former_counts(self) -> Sequence[Counted]:
        """See `Fleet`."""
        return (Counted(self._former_requests.counts(), self._former_upstream.counts()),)

    # --- the audit stream -------------------------------------------------------------------------------------------

    def watch(self, take: Take, miss: Miss) -> Callable[[], None]:
        """See `Fleet`."""
        watcher = take, miss
        self._watchers.append(watcher)
        self._tell_serving(messages.WATCH, True)

        def end() -> None:
            self._watchers.remove(watcher)
            if not self._watchers:
                self._tell_serving(messages.WATCH, False)

        return end

    def _show(self, line: bytes) -> None:
        for take, _ in self._watchers:
            take(line)

    def _miss(self, count: int) -> None:
        for _, miss in self._watchers:
            miss(count)


