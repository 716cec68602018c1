"""
What a process asks of its workers, where it has some: `Fleet`, which `workers/` implements.

Then this process serves DNS, metrics and the management API, signs leaves and writes the audit log; connections are the
workers'. With one process there is no fleet, and nothing of `workers/` is imported.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from iron_proxy.errors import IronProxyError
from iron_proxy.management.readings import Readings
from iron_proxy.management.request_metrics import Counts
from iron_proxy.management.upstream_metrics import UpstreamCounts
from iron_proxy.proxy.services import Leaves


class Counted(msgspec.Struct):
    """What a process has counted of traffic."""

    requests: Counts
    upstream: UpstreamCounts


class Look(msgspec.Struct):
    """How a worker stands."""

    readings: Readings
    counts: Counted
    generation: int
    generations_closing: int
    secrets: list[dict[str, Any]]


class Shown(msgspec.Struct):
    """A worker's connections, as `/v1/connections` shows them."""

    total: int
    connections: list[dict[str, Any]]


class Sight(NamedTuple):
    """One worker from outside; `look` is None where it does not answer."""

    number: int
    pid: int | None
    state: str
    restarts: int
    uptime_seconds: float
    look: Look | None


class NewPolicy(NamedTuple):
    """What workers are to serve by. `text` None is the environment and the defaults alone."""

    text: bytes | None
    generation: int
    has_ca: bool
    keeps_leaves: bool


class Fleet(Protocol):
    """All workers."""

    listening: dict[str, str]                    # listeners by name, with their addresses as text
    own_addresses: Sequence[tuple[str, int]]     # the same addresses
    restarts: int

    @property
    def former_readings(self) -> Sequence[Readings]:
        """What is left of workers that are gone."""
        ...

    @property
    def former_counts(self) -> Sequence[Counted]:
        """The same of what they had counted."""
        ...

    async def start(self, group: asyncio.TaskGroup, own: Callable[[], list[tuple[str, int]]]) -> IronProxyError | None:
        """Start all; once each serves, or what keeps one from it. `own` are the listeners that nobody dials to."""
        ...

    @property
    def is_serving(self) -> bool:
        """Whether at least one of them takes connections."""
        ...

    async def drain(self, seconds: float) -> None:
        """Let all of them end, as one process would; those that have not within the seconds are killed."""
        ...

    def cut(self) -> None:
        """End connections that are left at once."""
        ...

    async def prepare(self, policy: NewPolicy) -> None:
        """Let each build a policy; `commit` or `abandon` follows. Raises ConfigError, and then nothing has changed."""
        ...

    async def commit(self, leaves: Leaves) -> tuple[dict[str, Any], ...]:
        """Put the prepared policy in force everywhere; what became of it in each worker."""
        ...

    def abandon(self) -> None:
        """Leave everything as it is."""
        ...

    async def look(self) -> Sequence[Sight]:
        """How each stands."""
        ...

    async def connections(self) -> Iterable[tuple[int, Shown]]:
        """The connections of each that answers, by its number."""
        ...

    def watch(self, take: Callable[[bytes], None], miss: Callable[[int], None]) -> Callable[[], None]:
        """Give every worker's audit records to somebody; see `management/control.py: Control.watch_workers`."""
        ...
