"""One request and its response, with what the transforms note about it on the way."""

from dataclasses import dataclass, field
from typing import Any

from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response

# What JSON can hold. Annotations end up in the audit record.
JSONValue = Any


@dataclass(frozen=True, slots=True)
class Admission:
    """
    Why policy let a request pass: the rule, as the operator wrote it.

    `names_address` says that the operator named this very destination literally (an IP, a CIDR or `localhost`), which
    exempts it from the built-in deny list at the dial.
    """

    rule: str
    names_address: bool = False


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The CONNECT or SOCKS5 request that a request came in by."""

    target: Target
    traces: tuple[dict[str, JSONValue], ...] = ()
    client_name: str = ""


@dataclass(slots=True)
class BodyCapture:
    """A copy of a request body's beginning, for the audit record."""

    text: str
    truncated: bool


@dataclass(slots=True)
class Exchange:
    """
    What a transform is given. `request` may be changed until it is forwarded; `response` exists in the response phase.

    `client` is the peer's address as `ip:port`; `server_name` the SNI of the client's TLS connection or "".
    """

    request: Request
    client: str = ""
    server_name: str = ""
    tunnel: Tunnel | None = None
    response: Response | None = None
    admission: Admission | None = None          # set by the transform that lets the request pass policy
    body_capture: BodyCapture | None = None
    notes: dict[str, JSONValue] = field(default_factory=dict)

    def annotate(self, key: str, value: JSONValue) -> None:
        """Note something on the current transform's trace. Never a secret: it is written to the audit log."""
        self.notes[key] = value
