"""
The protocols that a transform follows. A built-in and a user's Python class enter by the same door.

`transforms/registry.py` finds the builder; `pipeline.py` runs what it builds. One instance serves all requests at
once: state that belongs to one request lives on the Exchange.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol, runtime_checkable

from iron_proxy.config.section import Section
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission, Exchange
from iron_proxy.pipeline.verdict import Verdict


class Scope(Enum):
    """What exists when a transform is asked."""

    TUNNEL = auto()       # a CONNECT or SOCKS5 target: a host and a port, and for CONNECT the header fields
    REQUEST = auto()      # a whole HTTP request


@runtime_checkable
class RequestTransform(Protocol):
    """Sees every request before it is forwarded."""

    name: str
    scopes: frozenset[Scope]              # outside its scopes it is not called; its trace says it let pass

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Look at or change `exchange.request`. An IronProxyError raised here fails the request with 502."""
        ...


@runtime_checkable
class ResponseTransform(Protocol):
    """Optional: sees the response head and may replace the response."""

    async def on_response(self, exchange: Exchange) -> Verdict:
        """Look at or change `exchange.response`."""
        ...


@runtime_checkable
class ObservingTransform(Protocol):
    """Optional: is shown the requests that a transform before it has refused, to annotate them."""

    def on_refused(self, exchange: Exchange) -> None:
        """Look at `exchange.request` and annotate; nothing can be changed any more. Never waits."""
        ...


@runtime_checkable
class AdmittingTransform(Protocol):
    """A transform that decides which destinations exist at all (the allowlist)."""

    def admits_target(self, target: Target, client: str = "") -> Admission | None:
        """
        Whether any rule could admit some request of this client ("" is unknown) to this host and port.

        Asked for CONNECT, SOCKS5 and server names. Pure and without I/O; method and path rules bind later, at the inner
        request.
        """
        ...


@runtime_checkable
class NameAdmittingTransform(Protocol):
    """Optional beside `AdmittingTransform`: knows whether a name is in any rule, on whatever port."""

    def admits_name(self, host: str, client: str = "") -> bool:
        """
        Whether any rule could admit some request of this client ("" is unknown) to this host. Pure and without I/O.

        Asked for each DNS question with `dns.mode: strict`. Without this method the ports of the web are tried.
        """
        ...


@runtime_checkable
class RehearsableTransform(Protocol):
    """A transform that reaches for something outside, or leaves a mark, when it sees a request."""

    def rehearsal(self) -> RequestTransform:
        """One that decides the same way and does neither: for telling what would happen to a request."""
        ...


@runtime_checkable
class ClosableTransform(Protocol):
    """A transform that owns something to close once the last request using it has left."""

    async def aclose(self) -> None:
        """Release what the transform owns."""
        ...


@dataclass(frozen=True, slots=True)
class TransformContext:
    """What a builder may use besides its own configuration section. Building does no I/O."""

    environment: Mapping[str, str]
    max_request_body_bytes: int | None          # what a transform may hold of a request body; None is no limit
    clock: Callable[[], float] = time.monotonic


# Turns a `config:` section into a transform. Problems are noted on the section, all of them, not raised one by one;
# what is returned after a noted problem is thrown away.
TransformBuilder = Callable[[Section, TransformContext], RequestTransform]
