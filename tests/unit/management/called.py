"""A process that the API asks, and calls of the API without a socket."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from tests.fakes.served import Served

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config, ManagementConfig
from iron_proxy.management.api import build_api
from iron_proxy.management.control import ReloadResult
from iron_proxy.management.live_connections import live_connections
from iron_proxy.proxy.services import Services

KEY = "k" * 20


class FakeControl:
    """A `Control` whose reloads go as they are told to."""

    def __init__(self, services: Services | None = None, listen: str = "0.0.0.0:9092") -> None:
        self.services = services or Served().services
        self.config = Config(management=ManagementConfig(listen=ListenAddress.parse(listen)))
        self.result = ReloadResult("ok", 2)
        self.asked_by: list[str] = []
        self.failure: Exception | None = None

    def key_digest(self) -> bytes:
        return hashlib.sha256(KEY.encode()).digest()

    async def status(self) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        return {"generation": 1}

    async def connections(self) -> dict[str, Any]:
        return live_connections(self.services)

    def watch_workers(self, take: Callable[[bytes], None], miss: Callable[[int], None]) -> Callable[[], None] | None:
        return None

    async def reload(self, by: str) -> ReloadResult:
        self.asked_by.append(by)
        return self.result


async def call(
    control: FakeControl,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> httpx.Response:
    """One call, with the right key unless headers are given."""
    transport = httpx.ASGITransport(build_api(control), client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9092") as client:
        shown = {"Authorization": f"Bearer {KEY}"} if headers is None else headers
        return await client.request(method, path, headers=shown, content=content)
