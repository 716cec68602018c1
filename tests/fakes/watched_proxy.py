"""
A management API as the dashboard's tests need it: the real one on a real port, over a process that does nothing.

    with WatchedProxy() as proxy:
        page = browser.open(proxy.address)
        proxy.emit(request(host="api.test"))
"""

import asyncio
import hashlib
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, Self, cast

from tests.fakes.background_loop import BackgroundLoop

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.audit.record import Record, RequestRecord, timestamp
from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config
from iron_proxy.listeners.binding import bind_tcp
from iron_proxy.management.api import build_api
from iron_proxy.management.control import Control
from iron_proxy.management.live_connections import live_connections
from iron_proxy.management.page_server import PageServer
from iron_proxy.proxy.services import Services
from iron_proxy.proxy.sight import Sight

KEY = "a key of some length that tests use"


def request(**fields: Any) -> RequestRecord:
    """A record of a request; `fields` are what matters."""
    given: dict[str, Any] = {
        "time": timestamp(), "level": "INFO", "request_id": "a-1", "host": "api.test", "method": "GET", "path": "/",
        "action": "allow", "status_code": 200, "duration_ms": 12.5, "remote_addr": "192.0.2.7:40000", "sni": "",
        "request_transforms": [], "response_transforms": [],
    }  # fmt: skip
    return RequestRecord(**{**given, **fields})


class _Services:
    """As much of the services as the API asks."""

    def __init__(self, proxy: "WatchedProxy") -> None:
        self._proxy = proxy
        self.audit = proxy.audit

    @property
    def connections(self) -> list[Any]:
        return [SimpleNamespace(sight=partial(replace, sight)) for sight in self._proxy.sights]


class WatchedProxy:
    """`address` is the dashboard's."""

    def __init__(self, config: Config, status: dict[str, Any]) -> None:
        self._loop = BackgroundLoop()
        self.audit = AuditEmitter(ENVELOPES["seed"], lambda lines: None)
        self._status = status
        self._config = config
        self._port = 0
        self.sights: tuple[Sight, ...] = ()      # connections of clients

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}/dashboard/"

    def __enter__(self) -> Self:
        self._loop.__enter__()
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._loop.__exit__(*error)

    def start(self) -> None:
        """Listen; again on the same port, if it was stopped."""
        sock = bind_tcp("127.0.0.1", self._port, "management.listen")
        self._port = sock.getsockname()[1]
        self._server = PageServer(sock, build_api(self._control()))
        self._serving = asyncio.run_coroutine_threadsafe(self._server.run_pages(), self._loop.loop)

    def stop(self) -> None:
        """As a proxy that ends: nobody listens any more, and streams break off."""
        self._server.should_exit = True
        self._serving.result(20)

    def emit(self, *records: Record) -> None:
        """Records, as the proxy would write them."""
        self._loop.run(self._emit(records))

    async def _emit(self, records: tuple[Record, ...]) -> None:
        for record in records:
            self.audit.emit(record)

    def emit_steadily(self, per_second: int, seconds: float) -> int:
        """Many records at this rate; returns how many once all are out."""
        return self._loop.run(self._emit_steadily(per_second, seconds), seconds + 30)

    async def _emit_steadily(self, per_second: int, seconds: float) -> int:
        loop = asyncio.get_running_loop()
        begin, sent = loop.time(), 0
        while sent < per_second * seconds:
            due = min(int((loop.time() - begin) * per_second), int(per_second * seconds))
            for number in range(sent, due):
                self.audit.emit(request(host=f"host-{number % 50}.test", path=f"/item/{number}"))
            sent = due
            await asyncio.sleep(0.01)            # the rate is the point
        return sent

    def _control(self) -> Control:
        services = _Services(self)
        config = replace(
            self._config, management=replace(self._config.management, listen=ListenAddress("127.0.0.1", self._port, ""))
        )
        control = SimpleNamespace(
            services=services, config=config, status=self._told_status, connections=self._told_connections,
            watch_workers=lambda take, miss: None, key_digest=lambda: hashlib.sha256(KEY.encode()).digest(),
        )  # fmt: skip
        return cast(Control, control)

    async def _told_status(self) -> dict[str, Any]:
        return self._status

    async def _told_connections(self) -> dict[str, Any]:
        return live_connections(cast(Services, _Services(self)))
