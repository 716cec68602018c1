"""
A worker process: its listeners' sockets come from the supervisor, and so does every order.

The supervisor has the terminal and the signals; a worker takes none, and ends when the supervisor is gone. Started by
`process.py`, by the line that stands there.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.audit.outlet import Outlet
from iron_proxy.audit.record import Record
from iron_proxy.audit.trail import Branch, Trail
from iron_proxy.certs.leaf_signer import SignedLeaf
from iron_proxy.config.schema import Config
from iron_proxy.errors import StartupError
from iron_proxy.inspection.secret_ages import secret_ages
from iron_proxy.listeners.accept import Listener, Serve
from iron_proxy.listeners.http import HTTPListener
from iron_proxy.listeners.https import HTTPSListener
from iron_proxy.listeners.tunnel import TunnelListener
from iron_proxy.management.audit_feed import masked_line
from iron_proxy.management.live_connections import live_connections
from iron_proxy.management.upstream_metrics import UpstreamMetrics
from iron_proxy.proxy.services import Services
from iron_proxy.runtime.assemble import Assembly, OwnListeners
from iron_proxy.runtime.audit_part import standard_error
from iron_proxy.runtime.capacity_part import build_counts
from iron_proxy.runtime.event_loop import new_event_loop
from iron_proxy.runtime.fleet import Counted, Look, Shown
from iron_proxy.runtime.hardening import harden_process, harden_server
from iron_proxy.runtime.last_wall import LAST_WALL
from iron_proxy.runtime.lifecycle import Lifecycle
from iron_proxy.runtime.otel_part import build_exports, exporting
from iron_proxy.runtime.policy_reading import Origin
from iron_proxy.runtime.process_log import log, set_level, start_logging
from iron_proxy.runtime.serving import settle_garbage_collector
from iron_proxy.runtime.standing import readings_of
from iron_proxy.runtime.start_environment import forget_secrets, take_environment
from iron_proxy.version import __version__
from iron_proxy.workers import messages
from iron_proxy.workers.audit_channel import SupervisorDestination
from iron_proxy.workers.channel import Channel
from iron_proxy.workers.messages import LeafWanted, Policy, Start
from iron_proxy.workers.quiet import is_told, quiet
from iron_proxy.workers.worker_policy import WorkerPolicy, read, services_of


def main(arguments: Sequence[str]) -> None:
    """Serve until told to end. `arguments`: number, control and audit descriptors, and `name=descriptor` of doors."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))
    harden_process()
    harden_server()
    environment = take_environment()
    start_logging("info", LAST_WALL.before(standard_error().put_beside))
    log.handlers[0].addFilter(is_told)
    log.handlers[0].addFilter(_numbered(int(arguments[0])))
    control, audit = _inherited(arguments[1]), _inherited(arguments[2])
    doors = {name: _inherited(text) for name, _, text in (each.partition("=") for each in arguments[3:])}
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(Worker(control, audit, doors, environment).serve())


def _inherited(descriptor: str) -> socket.socket:
    sock = socket.socket(fileno=int(descriptor))
    sock.set_inheritable(False)                  # what a transform starts is to have none of it
    return sock


def _numbered(number: int) -> Callable[[logging.LogRecord], bool]:
    """Every line says which worker it is of."""

    def add(record: logging.LogRecord) -> bool:
        record.fields = {"worker": number, **getattr(record, "fields", {})}
        return True

    return add


class Worker:
    """`serve` is its life."""

    def __init__(
        self,
        control: socket.socket,
        audit: socket.socket,
        doors: dict[str, socket.socket],
        environment: Mapping[str, str],
    ) -> None:
        self._environment = environment
        self._control, self._audit, self._doors = control, audit, doors
        self._ended = asyncio.Event()
        self._lifecycle: Lifecycle | None = None
        self._unwatch: Callable[[], None] | None = None
        self._missed = 0

    async def serve(self) -> None:
        """Obey the supervisor until it lets go, or is gone."""
        async with asyncio.TaskGroup() as self._group:
            self._channel = Channel(self._group, self._answers(), self._hears())
            await self._channel.open(self._control)
            watch = self._group.create_task(self._end_with_supervisor(), name="supervisor")
            await self._ended.wait()
            watch.cancel()
            self._channel.close()

    def _answers(self) -> dict[str, Callable[[msgspec.Raw], Awaitable[Any]]]:
        return {
            messages.START: self._start,
            messages.PREPARE: self._prepare,
            messages.COMMIT: self._commit,
            messages.LOOK: self._look,
            messages.CONNECTIONS: self._connections,
        }

    def _hears(self) -> dict[str, Callable[[msgspec.Raw], None]]:
        return {
            messages.ABANDON: self._abandon,
            messages.DRAIN: lambda _: self._drain(),
            messages.CUT: lambda _: self._cut(),
            messages.WATCH: self._watch,
        }

    # --- start and end ----------------------------------------------------------------------------------------------

    async def _start(self, body: msgspec.Raw) -> None:
        start = msgspec.msgpack.decode(body, type=Start)
        if start.version != __version__:
            raise StartupError(
                f"the program was replaced while it ran (it was {start.version} and is {__version__}); restart it"
            )
        self._assembly = self._assemble(start)
        self._lifecycle = lifecycle = Lifecycle(self._assembly, takes_signals=False, is_worker=True)
        self._group.create_task(self._run(lifecycle), name="worker")
        await lifecycle.serving.wait()
        self._policy = WorkerPolicy(self._origin_of(start), self._assembly, lifecycle.parts, self._ask_for_leaf)

    def _assemble(self, start: Start) -> Assembly:
        own = OwnListeners()
        own.add_addresses(start.own_listeners)
        with quiet():
            policy = read(self._origin_of(start), start.policy)
            audit = self._build_audit(policy.config)
            measured = None if policy.config.metrics.listen is None else UpstreamMetrics()
            services = services_of(policy, start.policy, audit, own, self._ask_for_leaf, measured=measured)
            exports = build_exports(self._environment)
        forget_secrets((policy.config.management.api_key_env,))
        settle_garbage_collector()
        set_level(policy.config.log.level)
        counts = build_counts(policy.config.limits, audit)
        listeners = [Listener(name, sock, _serve_of(name, services), counts) for name, sock in self._doors.items()]
        assembly = Assembly(services, listeners, None, None, {}, counts, own=own, exports=exports)
        assembly.upstream_metrics = measured
        if measured is not None:
            audit.subscribe(assembly.request_metrics.take)
        return assembly

    def _origin_of(self, start: Start) -> Origin:
        return Origin(start.path, self._environment)

    def _build_audit(self, config: Config) -> AuditEmitter:
        is_strict = config.audit.mode == "strict"
        outlet = Outlet(SupervisorDestination(self._audit, is_strict=is_strict))
        trail = Trail([Branch(outlet, owns=True)], is_strict=is_strict, beside=(standard_error(),))
        return AuditEmitter(ENVELOPES[config.log.audit_schema], LAST_WALL.before(trail.write), trail=trail)

    async def _run(self, lifecycle: Lifecycle) -> None:
        try:
            with exporting(self._assembly):
                await lifecycle.run()
        finally:
            self._ended.set()

    def _drain(self) -> None:
        if self._lifecycle is None:
            self._ended.set()
        else:
            self._lifecycle.request_stop()

    def _cut(self) -> None:
        self._drain()
        if self._lifecycle is not None:
            self._lifecycle.cut_connections()

    async def _end_with_supervisor(self) -> None:
        await self._channel.closed.wait()
        self._cut()                              # nothing can be recorded any more

    # --- policy -----------------------------------------------------------------------------------------------------

    async def _ask_for_leaf(self, wanted: LeafWanted) -> SignedLeaf:
        return await self._channel.ask(messages.LEAF, wanted, SignedLeaf)

    async def _prepare(self, body: msgspec.Raw) -> list[str]:
        return await self._policy.prepare(msgspec.msgpack.decode(body, type=Policy))

    async def _commit(self, body: msgspec.Raw) -> None:
        self._assembly.own.replace(msgspec.msgpack.decode(body, type=list[tuple[str, int]]))
        self._policy.commit()

    def _abandon(self, body: msgspec.Raw) -> None:
        self._group.create_task(self._policy.abandon(), name="abandon")

    # --- what is told -----------------------------------------------------------------------------------------------

    async def _look(self, body: msgspec.Raw) -> Look:
        snapshot = self._assembly.services.snapshot
        closing = 0 if self._lifecycle is None else self._lifecycle.parts.generations_closing
        upstream = self._assembly.upstream_metrics or UpstreamMetrics()
        counts = Counted(self._assembly.request_metrics.counts(), upstream.counts())
        return Look(
            readings_of(self._assembly), counts, snapshot.generation, closing, secret_ages(snapshot.pipeline)
        )

    async def _connections(self, body: msgspec.Raw) -> Shown:
        return Shown(**live_connections(self._assembly.services))

    def _watch(self, body: msgspec.Raw) -> None:
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if msgspec.msgpack.decode(body, type=bool):
            self._unwatch = self._assembly.services.audit.subscribe(self._show, openings=True)

    def _show(self, record: Record) -> None:
        if self._missed and self._channel.tell(messages.MISSED, self._missed):
            self._missed = 0
        if not self._channel.tell(messages.RECORD, masked_line(record)):
            self._missed += 1


def _serve_of(name: str, services: Services) -> Serve:
    kinds: dict[str, type[HTTPListener | HTTPSListener | TunnelListener]] = {
        "http": HTTPListener,
        "https": HTTPSListener,
        "tunnel": TunnelListener,
    }
    return kinds[name](services).serve


