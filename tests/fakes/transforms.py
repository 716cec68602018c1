"""Transforms for tests: each does one thing and counts its calls."""

from collections.abc import Callable

from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission, Exchange
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import CONTINUE, Verdict


class FakeTransform:
    """Does `on_request` to each request: returns or raises what it does."""

    def __init__(
        self,
        name: str = "fake",
        on_request: Callable[[Exchange], Verdict] = lambda exchange: CONTINUE,
        *,
        scopes: frozenset[Scope] = frozenset(Scope),
    ) -> None:
        self.name = name
        self.scopes = scopes
        self.calls = 0
        self._on_request = on_request

    async def on_request(self, exchange: Exchange) -> Verdict:
        self.calls += 1
        return self._on_request(exchange)


class FakeResponseTransform(FakeTransform):
    """The same for each response."""

    def __init__(self, name: str, on_response: Callable[[Exchange], Verdict] = lambda exchange: CONTINUE) -> None:
        super().__init__(name)
        self.responses = 0
        self._on_response = on_response

    async def on_response(self, exchange: Exchange) -> Verdict:
        self.responses += 1
        return self._on_response(exchange)


class FakeObserver(FakeTransform):
    """The same, and does `on_refused` to each request that a transform before it refused."""

    def __init__(
        self,
        name: str,
        on_refused: Callable[[Exchange], None] = lambda exchange: None,
        *,
        scopes: frozenset[Scope] = frozenset(Scope),
    ) -> None:
        super().__init__(name, scopes=scopes)
        self.refused = 0
        self._on_refused = on_refused

    def on_refused(self, exchange: Exchange) -> None:
        self.refused += 1
        self._on_refused(exchange)


class FakeAllowlist(FakeTransform):
    """Admits the hosts it is given, and no others."""

    def __init__(self, *hosts: str) -> None:
        super().__init__("allowlist")
        self._hosts = hosts

    async def on_request(self, exchange: Exchange) -> Verdict:
        exchange.admission = self.admits_target(exchange.request.target)
        return CONTINUE

    def admits_target(self, target: Target, client: str = "") -> Admission | None:
        return Admission(f"domains: {target.host}") if target.host in self._hosts else None
