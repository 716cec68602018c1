"""
What the management API may ask of the process that it runs in: `Control`, which `runtime/` implements.

The results are plain data; how they become answers is `api.py`'s business.
"""

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

    def status(self) -> dict[str, Any]:
        """What the process is and does, for `/v1/status`; JSON values only."""
        ...

    async def reload(self, by: str) -> ReloadResult:
        """Read the configuration again. Goes on when the caller is cancelled; never raises for what is read."""
        ...
