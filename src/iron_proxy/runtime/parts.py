"""
What of an assembly runs at this moment: listeners and DNS, each in a task of the lifecycle's group.

`lifecycle.py` starts them and drains them; a reload adds some and takes others away. A listener that was taken away
accepts nothing any more; it stays here until its last connection has ended.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from iron_proxy.listeners.accept import Listener
from iron_proxy.listeners.binding import BACKLOG
from iron_proxy.proxy.services import Services
from iron_proxy.runtime.assemble import OwnListeners
from iron_proxy.runtime.dns_part import DNSPart

Result = TypeVar("Result")


class Parts:
    """`accepting` are the listeners that take connections, `listeners` those that have some besides."""

    def __init__(self, group: asyncio.TaskGroup, own: OwnListeners) -> None:
        self._group = group
        self._own = own
        self.listeners: list[Listener] = []
        self.accepting: dict[str, Listener] = {}
        self.dns: RunningDNS | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._background: set[asyncio.Task[Any]] = set()

    def in_background(self, work: Coroutine[Any, Any, Result], name: str) -> asyncio.Task[Result]:
        """Run something that a stop cancels."""
        task = self._group.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def cancel_background(self) -> None:
        """End all of it: the process stops."""
        for task in tuple(self._background):
            task.cancel()

    # --- listeners --------------------------------------------------------------------------------------------------

    def add_listener(self, listener: Listener) -> None:
        """Accept on a bound socket from now on."""
        listener.sock.listen(BACKLOG)            # whoever is told of it connects at once
        self._own.add((listener.sock,))
        self.listeners.append(listener)
        self.accepting[listener.name] = listener
        self._group.create_task(self._run(listener), name=listener.name)

    async def _run(self, listener: Listener) -> None:
        try:
            await listener.run()
        finally:
            self.listeners.remove(listener)

    def retire_listener(self, name: str) -> None:
        """Accept nothing more on one; connections go on."""
        listener = self.accepting.pop(name, None)
        if listener is not None:
            self._own.discard((listener.sock,))
            listener.stop_accepting()

    def cancel_connections(self) -> None:
        """Cut the connections that are left."""
        for listener in tuple(self.listeners):
            listener.cancel_connections()

    # --- DNS --------------------------------------------------------------------------------------------------------

    async def start_dns(self, part: DNSPart) -> None:
        """Answer from now on. Raises what keeps it from starting."""
        running = RunningDNS(part)
        self._own.add(part.streams)
        self._group.create_task(running.run(), name="dns")
        await running.ready
        self.dns = running

    async def stop_dns(self, running: "RunningDNS | None" = None) -> None:
        """Answer nothing more, on the sockets of now or on former ones; returns when all has ended."""
        running = running or self.dns
        if running is self.dns:
            self.dns = None
        if running is not None:
            self._own.discard(running.part.streams)
            await running.stop()

    # --- services that were replaced --------------------------------------------------------------------------------

    def close_when_unused(self, services: Services, unused: asyncio.Event) -> None:
        """Close services that were retired, once the last exchange that has them has ended."""
        task = self._group.create_task(
            _close_when_unused(services, unused), name=f"generation {services.snapshot.generation}"
        )
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    @property
    def generations_closing(self) -> int:
        """How many former configurations something still goes on under."""
        return len(self._closing)

    def close_retired(self) -> None:
        """Close all of those now: nothing goes on any more."""
        for task in tuple(self._closing):
            task.cancel()


async def _close_when_unused(services: Services, unused: asyncio.Event) -> None:
    try:
        await unused.wait()
    finally:
        services.pool.close()
        await services.snapshot.aclose()


class RunningDNS:
    """A DNS server from its start to its end, in one task."""

    def __init__(self, part: DNSPart) -> None:
        self.part = part
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Answer until `stop`."""
        try:
            async with self.part.server as server:
                await server.serve(self.part.datagrams, self.part.streams)
                self.ready.set_result(None)
                await self._stop.wait()
        finally:
            self._ended.set()
            self.ready.cancel()                  # of use only if it never came to be

    async def stop(self) -> None:
        """End it."""
        self._stop.set()
        await self._ended.wait()
