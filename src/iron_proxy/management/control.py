"""
What the management API may ask of the process that it runs in: `Control`, which `runtime/` implements.

The results are plain data; how they become answers is `api.py`'s business.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol

from iron_proxy.config.schema import Config
from iron_proxy.proxy.services import Services

# Who asked for a reload, where it was a call of the API.
MANAGEMENT_API: Final = "management API"

ReloadStatus = Literal["ok", "refused", "failed"]


class Left(NamedTuple):
    """A key whose new value waits for a restart, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """
    How a reload went. Unless `ok`, nothing at all has changed.

    `refused`: something is wrong with the configuration or its files, told in `problems`, each with its place.
    `failed`: it is our fault. `generation` is that of the policy in force, `left` what only a restart would change.
    """

    status: ReloadStatus
    generation: int
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()
    workers: tuple[dict[str, Any], ...] = ()     # what became of it in each, where there are some


class Control(Protocol):
    """The process, as far as operators may look into it."""

    @property
    def services(self) -> Services:
        """Those in force."""
        ...

    @property
    def config(self) -> Config:
        """The configuration in force: what a reload has left as it was has its old value."""
        ...

    def key_digest(self) -> bytes:
        """SHA-256 of the key that callers must show."""
        ...

    async def status(self) -> dict[str, Any]:
        """What the process is and does, for `/v1/status`; JSON values only."""
        ...

    async def connections(self) -> dict[str, Any]:
        """`/v1/connections` (`live_connections.py`), of all that serve."""
        ...

    def watch_workers(self, take: Callable[[bytes], None], miss: Callable[[int], None]) -> Callable[[], None] | None:
        """
        Audit records of other processes, as masked lines of the seed's schema, for `take`; what ends that.

        `miss` is told how many there was no room for. None where there is one process.
        """
        ...

    async def reload(self, by: str) -> ReloadResult:
        """Read the configuration again. Goes on when the caller is cancelled; never raises for what is read."""
        ...
