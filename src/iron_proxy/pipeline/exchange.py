"""One request and its response, with what the transforms note about it on the way."""

from dataclasses import dataclass, field
from typing import Any

from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.scrub import Scrub, Scrubber
from iron_proxy.protocols.websocket_messages import MessageRewriting

# What JSON can hold. Annotations end up in the audit record.
JSONValue = Any


@dataclass(frozen=True, slots=True)
class Admission:
    """
    Why policy let a request pass: the rule, as the operator wrote it.

    `names_address` says that the operator named this very destination literally (an IP, a CIDR or `localhost`), which
    exempts it from the built-in deny list at the dial. `place` is where the rule stands in its transform's
    configuration, such as `domains[3]`, and `line` that in the file; "" and None where no single rule let the request
    pass. They are no part of what is granted.
    """

    rule: str
    names_address: bool = False
    place: str = field(default="", compare=False)
    line: int | None = field(default=None, compare=False)


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
    scrubbers: tuple[Scrubber, ...] = ()        # what is to be taken out of responses, as it was put into the request
    scrubs: tuple[Scrub, ...] = ()              # the scrubbers at work; see `begin_scrubbing`
    rewriting: tuple[MessageRewriting, ...] = ()    # of a WebSocket's text messages, if it opens
    notes: dict[str, JSONValue] = field(default_factory=dict)

    def annotate(self, key: str, value: JSONValue) -> None:
        """Note something on the current transform's trace. Never a secret: it is written to the audit log."""
        self.notes[key] = value

    def needs_scrubbing(self, response: Response) -> bool:
        """Whether the response has to be gone through; not if it is certain already that there is nothing in it."""
        if self.scrubs:
            return True
        for scrubber in self.scrubbers:  # noqa: SIM110  # any() would cost more than what it goes through
            if not scrubber.finds_nothing(response):
                return True
        return False

    def begin_scrubbing(self) -> tuple[Scrub, ...]:
        """The scrubs of this exchange, the same ones for all its responses."""
        new = self.scrubbers[len(self.scrubs) :]
        self.scrubs += tuple(scrubber.begin() for scrubber in new)
        return self.scrubs
