"""What was seen of one request, at three places, and of the whole run. Filled by `run.py`, judged by `checks.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iron_proxy.demo.scenario import Step

AuditRecord = Mapping[str, Any]


@dataclass(slots=True)
class ClientView:
    """The client's end. `received` is all text that came in, `error` says why there is none."""

    address: str = ""  # ip:port, by which the audit records are found
    dns_answer: tuple[str, ...] | None = None  # None where no name was looked up
    status: int | None = None
    reason: str = ""
    body: str = ""
    messages: tuple[str, ...] = ()  # WebSocket messages, or events
    received: str = ""
    error: str = ""


@dataclass(slots=True)
class OriginView:
    """One request as it arrived at the origin, with the WebSocket messages that followed it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    messages: list[str] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(slots=True)
class Observation:
    """One step as all saw it."""

    step: Step
    client: ClientView
    origin: list[OriginView]  # one, or none where the proxy refused
    audit: AuditRecord | None = None
    tunnel_audit: AuditRecord | None = None  # of the CONNECT or SOCKS5 opening


@dataclass(slots=True)
class DemoRun:
    """Everything that happened."""

    configuration: str
    addresses: Mapping[str, str]  # of the proxy's listeners, by name, and of the origin
    observations: list[Observation]
    names_looked_up: tuple[str, ...]
    log: tuple[str, ...]  # what the proxy wrote, audit lines among it
    exit_status: int
    seconds: float = 0.0
