"""
What a parser reports. A piece of a body is plain `bytes`: the one event there is per read, so it carries no wrapper.

Heads come without hop-by-hop, Host and framing fields: those are facts of the head (`framing`, `host_fields`,
`keep_alive` …), and what is sent on is written anew from such facts, never copied.
"""

from dataclasses import dataclass
from typing import Any

from iron_proxy.messages.headers import Fields, Pair
from iron_proxy.protocols.http1.framing import Framing


class RequestHead:
    """
    A request line and its fields (RFC 9112 section 3).

    Nobody changes one: where the same bytes come again and again on one connection, it is the same object.
    """

    __slots__ = (
        "checked",
        "connection",
        "expect",
        "framing",
        "host_fields",
        "keep_alive",
        "method",
        "minor_version",
        "pairs",
        "proxy_authorization",
        "target",
        "te_trailers",
        "upgrade",
    )

    method: str
    target: bytes
    minor_version: int
    pairs: Fields | list[Pair]              # Fields when they have come before on this connection
    framing: Framing
    host_fields: list[bytes]
    keep_alive: bool
    connection: frozenset[bytes]            # the options of the Connection field, lower case
    upgrade: list[bytes]                    # the values of the Upgrade field
    expect: bytes | None
    te_trailers: bool                       # the client takes trailers (RFC 9110 section 10.1.4)
    proxy_authorization: bytes | None
    checked: Any                            # what proxy/request_checks.py found, once for all repetitions

    def __init__(self) -> None:
        self.checked = None


class ResponseHead:
    """A status line and its fields (RFC 9112 section 4). As with a request's, nobody changes one."""

    __slots__ = (
        "connection",
        "declared_length",
        "framing",
        "keep_alive",
        "minor_version",
        "pairs",
        "reason",
        "status",
        "upgrade",
    )

    status: int
    reason: bytes
    minor_version: int
    pairs: Fields | list[Pair]              # Fields when they have come before on this connection
    framing: Framing
    declared_length: int | None             # Content-Length as sent, also where no body follows (HEAD, 304)
    keep_alive: bool
    connection: frozenset[bytes]
    upgrade: list[bytes]


@dataclass(frozen=True, slots=True)
class EndOfMessage:
    """The message is complete; trailer fields, if any, come with it."""

    trailers: list[Pair]


# What most messages end with.
NO_TRAILERS = EndOfMessage([])


class ConnectionClosed:
    """The peer closed between two messages: the orderly end."""

    __slots__ = ()


CONNECTION_CLOSED = ConnectionClosed()

Event = RequestHead | ResponseHead | bytes | EndOfMessage | ConnectionClosed
