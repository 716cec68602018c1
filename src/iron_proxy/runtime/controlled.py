"""The running process as the management API sees it: `management/control.py`'s `Control`, over what a lifecycle has."""

import os
import time
from collections.abc import Callable
from typing import Any

from iron_proxy.audit.record import timestamp
from iron_proxy.config.schema import Config
from iron_proxy.inspection.secret_ages import secret_ages
from iron_proxy.listeners.binding import address_text
from iron_proxy.management.control import ReloadResult
from iron_proxy.management.live_connections import MAX_SHOWN, live_connections
from iron_proxy.proxy.services import Services
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.fleet import Sight
from iron_proxy.runtime.parts import Parts
from iron_proxy.runtime.reload import Reloader
from iron_proxy.runtime.standing import readings_of_all
from iron_proxy.version import __version__


class ControlledProcess:
    """See `Control`."""

    def __init__(self, assembly: Assembly, parts: Parts, reloader: Reloader, path: str | None) -> None:
        self._assembly = assembly
        self._parts = parts
        self._reloader = reloader
        self._path = path
        self._started_at, self._started = timestamp(), time.monotonic()

    @property
    def services(self) -> Services:
        """Those in force."""
        return self._assembly.services

    @property
    def config(self) -> Config:
        """The one in force."""
        return self._reloader.config

    def key_digest(self) -> bytes:
        """See `Control.key_digest`."""
        return self._reloader.key_digest

    async def reload(self, by: str) -> ReloadResult:
        """See `Reloader.reload`."""
        return await self._reloader.reload(by)

    async def status(self) -> dict[str, Any]:
        """See `Control.status`."""
        fleet = self._assembly.fleet
        if fleet is None:
            return self._status()
        workers = await fleet.look()
        readings = readings_of_all(self._assembly, workers)
        looks = [each.look for each in workers if each.look is not None]
        told = self._status() | {
            "connections": readings.connections,
            "generations_closing": self._parts.generations_closing + sum(look.generations_closing for look in looks),
            "workers": [_described(each) for each in workers],
        }
        if looks:                                # this process asks no source for its secret
            told["secrets"] = looks[0].secrets
        told["audit"] |= readings.audit._asdict()
        return told

    async def connections(self) -> dict[str, Any]:
        """See `Control.connections`."""
        fleet = self._assembly.fleet
        if fleet is None:
            return live_connections(self.services)
        shown = [(number, each) for number, each in await fleet.connections()]
        all_of_them = [{"worker": number, **one} for number, each in shown for one in each.connections]
        all_of_them.sort(key=lambda each: -each["age_seconds"])
        return {"total": sum(each.total for _, each in shown), "connections": all_of_them[:MAX_SHOWN]}

    def watch_workers(self, take: Callable[[bytes], None], miss: Callable[[int], None]) -> Callable[[], None] | None:
        """See `Control.watch_workers`."""
        fleet = self._assembly.fleet
        return None if fleet is None else fleet.watch(take, miss)

    def _status(self) -> dict[str, Any]:
        services = self.services
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "uptime_seconds": round(time.monotonic() - self._started, 3),
            "config": self._path,
            "generation": services.snapshot.generation,
            "generations_closing": self._parts.generations_closing,
            "last_reload": self._reloader.last,
            "transforms": services.snapshot.pipeline.names,
            "secrets": secret_ages(services.snapshot.pipeline),
            "tls_mode": services.snapshot.tls_mode,
            "listeners": self._listeners(),
            "connections": len(services.connections),
            "draining": services.draining,
            "audit": services.audit.condition._asdict() | {"is_strict": services.audit.is_strict},
        }

    def _listeners(self) -> dict[str, str]:
        told = {name: address_text(listener.sock) for name, listener in self._parts.accepting.items()}
        if self._assembly.fleet is not None:
            told = dict(self._assembly.fleet.listening)
        dns = self._parts.dns
        if dns is not None:
            told["dns"] = address_text(dns.part.datagrams[0])
        pages, management = self._assembly.pages, self._assembly.management
        return told | {
            name: address_text(sock) for name, sock in (("metrics", pages), ("management", management)) if sock
        }


def _described(worker: Sight) -> dict[str, Any]:
    told: dict[str, Any] = {
        "worker": worker.number,
        "pid": worker.pid,
        "state": worker.state,
        "restarts": worker.restarts,
        "uptime_seconds": round(worker.uptime_seconds, 3),
    }
    if worker.look is not None:
        told |= {"generation": worker.look.generation, "connections": worker.look.readings.connections}
    return told
