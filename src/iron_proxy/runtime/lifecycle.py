"""
Start order, signals, drain and stop order of one process.

All sockets are bound before anything is served, so a port in use stops the start and nothing else. The first SIGTERM or
SIGINT drains: no new connections, those between two requests closed, the others given ten seconds. A second one cuts
them at once. Audit is flushed last.
"""

import asyncio
import logging
import signal
from contextlib import suppress

from iron_proxy.listeners.accept import Listener
from iron_proxy.listeners.binding import BACKLOG, address_text
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.process_log import report, report_loop_trouble

# Parity: upstream's budget for everything a stop has to do.
DRAIN_SECONDS = 10.0
_SIGNAL_NAMES = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminated"}


class Lifecycle:
    """Runs an assembly until a signal."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._stop = asyncio.Event()
        self._signals = 0

    async def run(self) -> None:
        """Serve until told to stop, then drain. Raises StartupError when a part cannot start."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(report_loop_trouble)
        for number in _SIGNAL_NAMES:
            loop.add_signal_handler(number, self._on_signal, number)
        assembly = self._assembly
        try:
            async with asyncio.TaskGroup() as parts:
                for listener in assembly.listeners:
                    parts.create_task(listener.run(), name=listener.name)
                await self._start_dns()
                self._announce()
                pages = parts.create_task(self._serve_pages(), name="pages")
                await self._stop.wait()
                await self._drain()
                pages.cancel()
        finally:
            if assembly.pages is not None:
                assembly.pages.close()           # its server leaves it open when it is cut short
            assembly.services.pool.close()
            assembly.services.audit.flush()
            await assembly.services.snapshot.aclose()
        report(logging.INFO, "iron-proxy stopped")

    def request_stop(self) -> None:
        """What a signal does, for programs that run the proxy inside their own loop."""
        self._stop.set()

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals += 1
        if self._signals == 1:
            report(logging.INFO, "received signal, shutting down", signal=_SIGNAL_NAMES[number])
            self._stop.set()
        else:
            for listener in self._assembly.listeners:
                listener.cancel_connections()

    # --- start ------------------------------------------------------------------------------------------------------

    async def _start_dns(self) -> None:
        dns = self._assembly.dns
        if dns is not None:
            await dns.server.__aenter__()
            await dns.server.serve(dns.datagrams, dns.streams)

    def _announce(self) -> None:
        assembly = self._assembly
        # Whoever waits for these lines connects at once: the kernel keeps what comes before the loop accepts.
        for sock in (*(listener.sock for listener in assembly.listeners), assembly.pages):
            if sock is not None:
                sock.listen(BACKLOG)
        for listener in assembly.listeners:
            # Parity: upstream's words, which harnesses wait for.
            passes_all = assembly.services.snapshot.tls_mode == "sni-only"
            mode = " (sni-only)" if passes_all and listener.name == "https" else ""
            report(logging.INFO, f"{listener.name} proxy starting{mode}", addr=address_text(listener.sock))
        if assembly.dns is not None:
            report(logging.INFO, "dns server starting", addr=address_text(assembly.dns.datagrams[0]))
        if assembly.pages is not None:
            report(logging.INFO, "metrics server starting", addr=address_text(assembly.pages))
        report(logging.INFO, "iron-proxy starting", **assembly.listen_texts)
        names = assembly.services.snapshot.pipeline.names
        if names:
            report(logging.INFO, "transform pipeline", transforms=" → ".join(names))

    async def _serve_pages(self) -> None:
        sock = self._assembly.pages
        if sock is None:
            return
        from iron_proxy.management.app import PageServer  # heavy, and nobody's first request waits for it

        await PageServer(sock).run_pages()

    # --- stop -------------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        assembly = self._assembly
        assembly.services.draining = True
        if assembly.dns is not None:
            await assembly.dns.server.__aexit__(None, None, None)
        for listener in assembly.listeners:
            listener.stop_accepting()
        for connection in tuple(assembly.services.connections):
            connection.close_if_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await _all_ended(assembly.listeners)
        for listener in assembly.listeners:
            listener.cancel_connections()


async def _all_ended(listeners: list[Listener]) -> None:
    for listener in listeners:
        await listener.ended.wait()


