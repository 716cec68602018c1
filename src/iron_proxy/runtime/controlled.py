"""The running process as the management API sees it: `management/control.py`'s `Control`, over what a lifecycle has."""

import os
import time
from typing import Any

from iron_proxy.audit.record import timestamp
from iron_proxy.config.schema import Config
from iron_proxy.inspection.secret_ages import secret_ages
from iron_proxy.listeners.binding import address_text
from iron_proxy.management.control import ReloadResult
from iron_proxy.proxy.services import Services
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.parts import Parts
from iron_proxy.runtime.reload import Reloader
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

    def status(self) -> dict[str, Any]:
        """What the process is and does."""
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
        dns = self._parts.dns
        if dns is not None:
            told["dns"] = address_text(dns.part.datagrams[0])
        pages, management = self._assembly.pages, self._assembly.management
        return told | {
            name: address_text(sock) for name, sock in (("metrics", pages), ("management", management)) if sock
        }
