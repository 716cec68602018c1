"""
Start order, signals, reloads, drain and stop order of one process.

All sockets are bound before anything is served, so a port in use stops the start and nothing else. The first SIGTERM or
SIGINT drains: no new connections, those between two requests closed, the others given ten seconds. Before that, where
`proxy.drain_delay` says so, everything is served as before while /healthz answers 503, until a balancer has seen it.
A second signal ends the delay and cuts what is left at once. Audit is flushed last. SIGHUP reads the configuration
again (`reload.py`), where there is one to read.
"""

import asyncio
import logging
import signal
from contextlib import suppress

from iron_proxy.errors import IronProxyError
from iron_proxy.listeners.binding import BACKLOG, address_text
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.controlled import ControlledProcess
from iron_proxy.runtime.parts import Parts
from iron_proxy.runtime.policy_reading import Source
from iron_proxy.runtime.process_log import report, report_loop_trouble
from iron_proxy.runtime.reload import Reloader

# Parity: upstream's budget for everything a stop has to do.
DRAIN_SECONDS = 10.0
_SIGNAL_NAMES = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminated"}


class Lifecycle:
    """
    Runs an assembly until a signal, or `request_stop` where `takes_signals` is False.

    `serving` is set once everything is served. With a source the configuration can be read again. A worker leaves to
    its supervisor what is told when a proxy starts and stops.
    """

    def __init__(
        self,
        assembly: Assembly,
        *,
        takes_signals: bool = True,
        source: Source | None = None,
        is_worker: bool = False,
    ) -> None:
        self._assembly = assembly
        self._is_worker = is_worker
        self._source = source
        self._takes_signals = takes_signals
        self.serving = asyncio.Event()
        self._stop = asyncio.Event()
        self._signals = 0
        self._parts: Parts | None = None
        self._hurry = asyncio.Event()            # a second signal
        self._pages: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Serve until told to stop, then drain. Raises StartupError when a part cannot start."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(report_loop_trouble)
        for number in _SIGNAL_NAMES if self._takes_signals else ():
            loop.add_signal_handler(number, self._on_signal, number)
        assembly = self._assembly
        assembly.services.audit.start()
        failure: IronProxyError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                parts = Parts(group, assembly.own)
                control = self._control(parts)
                for listener in assembly.listeners:
                    parts.add_listener(listener)
                if assembly.dns is not None:
                    await parts.start_dns(assembly.dns)
                failure = await self._start_workers(group)
                if failure is None:
                    await self._serve(group, control)
                    await self._let_balancers_see()
                await self._drain(parts)
                self._stop_pages()
        finally:
            for sock in (assembly.pages, assembly.management):
                if sock is not None:
                    sock.close()                 # its server leaves it open when it is cut short
            assembly.services.pool.close()
            try:
                await assembly.services.snapshot.aclose()
            finally:
                assembly.services.audit.close()
        if failure is not None:
            raise failure
        if not self._is_worker:
            report(logging.INFO, "iron-proxy stopped")

    @property
    def parts(self) -> Parts:
        """What runs. Only once `serving` is set."""
        if self._parts is None:
            raise RuntimeError("nothing runs yet")
        return self._parts

    async def _start_workers(self, group: asyncio.TaskGroup) -> IronProxyError | None:
        fleet = self._assembly.fleet
        return None if fleet is None else await fleet.start(group, self._assembly.own.addresses)

    async def _serve(self, group: asyncio.TaskGroup, control: ControlledProcess | None) -> None:
        if not self._is_worker:
            self._announce()
        self.serving.set()
        self._pages = [
            group.create_task(self._serve_pages(), name="pages"),
            group.create_task(self._serve_management(control), name="management"),
        ]
        await self._stop.wait()

    def _stop_pages(self) -> None:
        for task in self._pages:
            task.cancel()

    def cut_connections(self) -> None:
        """What a second signal does: end what is left at once."""
        if self._parts is not None:
            self._parts.cancel_connections()
        if self._assembly.fleet is not None:
            self._assembly.fleet.cut()

    def request_stop(self) -> None:
        """What a signal does, for programs that run the proxy inside their own loop."""
        self._stop.set()

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals += 1
        if self._signals == 1:
            report(logging.INFO, "received signal, shutting down", signal=_SIGNAL_NAMES[number])
            self._stop.set()
        else:
            self._hurry.set()
            self.cut_connections()

    # --- start ------------------------------------------------------------------------------------------------------

    def _control(self, parts: Parts) -> ControlledProcess | None:
        """What can be asked of the process from outside; None where there is no configuration to read again."""
        self._parts = parts
        if self._source is None:
            return None
        reloader = Reloader(self._source, self._assembly, parts)
        if self._takes_signals:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_hangup, reloader)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))      # one that came meanwhile comes now
        return ControlledProcess(self._assembly, parts, reloader, self._source.origin.path)

    def _on_hangup(self, reloader: Reloader) -> None:
        if self._parts is not None and not self._stop.is_set():
            self._parts.in_background(_reload(reloader), "SIGHUP")

    def _announce(self) -> None:
        assembly = self._assembly
        # Whoever waits for these lines connects at once: the kernel keeps what comes before the loop accepts.
        for sock in (assembly.pages, assembly.management):
            if sock is not None:
                sock.listen(BACKLOG)
        for name, address in self._listening().items():
            # Parity: upstream's words, which harnesses wait for.
            passes_all = assembly.services.snapshot.tls_mode == "sni-only"
            mode = " (sni-only)" if passes_all and name == "https" else ""
            report(logging.INFO, f"{name} proxy starting{mode}", addr=address)
        if assembly.dns is not None:
            report(logging.INFO, "dns server starting", addr=address_text(assembly.dns.datagrams[0]))
        if assembly.pages is not None:
            report(logging.INFO, "metrics server starting", addr=address_text(assembly.pages))
        if assembly.management is not None:
            report(logging.INFO, "management server starting", addr=address_text(assembly.management))
        report(logging.INFO, "iron-proxy starting", **assembly.listen_texts)
        names = assembly.services.snapshot.pipeline.names
        if names:
            report(logging.INFO, "transform pipeline", transforms=" → ".join(names))

    def _listening(self) -> dict[str, str]:
        fleet = self._assembly.fleet
        if fleet is not None:
            return fleet.listening
        return {listener.name: address_text(listener.sock) for listener in self._assembly.listeners}

    async def _serve_pages(self) -> None:
        sock = self._assembly.pages
        if sock is None:
            return
        from iron_proxy.management.app import build_app  # heavy, and nobody's first request waits for it
        from iron_proxy.management.page_server import PageServer
        from iron_proxy.runtime.metrics_part import Metrics

        fleet = self._assembly.fleet
        app = build_app(
            Metrics(self._assembly).render, self._stop.is_set, lambda: fleet is None or fleet.is_serving
        )
        await PageServer(sock, app).run_pages()

    async def _serve_management(self, control: ControlledProcess | None) -> None:
        sock = self._assembly.management
        if sock is None or control is None:
            return
        from iron_proxy.management.api import build_api  # heavy, too
        from iron_proxy.management.page_server import PageServer

        await PageServer(sock, build_api(control)).run_pages()

    # --- stop -------------------------------------------------------------------------------------------------------

    async def _let_balancers_see(self) -> None:
        """Go on serving for a while: /healthz says by now that nobody should be sent here."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._assembly.drain_delay):
                await self._hurry.wait()

    async def _drain(self, parts: Parts) -> None:
        services = self._assembly.services
        services.draining = True
        parts.cancel_background()
        await parts.stop_dns()
        listeners = tuple(parts.listeners)
        for listener in listeners:
            listener.stop_accepting()
        for connection in tuple(services.connections):
            connection.close_if_idle()
        if self._assembly.fleet is not None:
            await self._assembly.fleet.drain(DRAIN_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                for listener in listeners:
                    await listener.ended.wait()
        parts.cancel_connections()
        parts.close_retired()


async def _reload(reloader: Reloader) -> None:
    await reloader.reload("SIGHUP")
