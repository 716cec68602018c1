"""
A connection as an operator sees it: who, since when, for what. Made when somebody asks; `management/` shows it.

Whoever is in `Services.connections` can make one of itself, from what it knows anyway.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:                                # it imports the services, which import this
    from iron_proxy.proxy.request_life import RequestLife

Kind = Literal["opening", "http/1.1", "http/2", "passthrough"]


@dataclass(frozen=True, slots=True)
class RequestSight:
    """A request that is being answered. No path: what a workload sends in one is its own business."""

    request_id: str
    method: str
    host: str
    age_seconds: float

    @classmethod
    def of(cls, life: "RequestLife") -> "RequestSight":
        """What is known of a request by now."""
        return cls(life.request_id, life.method, life.host, perf_counter() - life.started)


@dataclass(frozen=True, slots=True)
class Sight:
    """
    A client's connection. `target` is the tunnel's, or else the name that its TLS is for; "" while neither is known.

    `socket` is the transport's, for what the kernel has counted. Times are in seconds.
    """

    kind: Kind
    peer: str
    age_seconds: float
    socket: Any = None
    client: str = ""
    target: str = ""
    is_tunnel: bool = False
    generation: int = 0
    requests: tuple[RequestSight, ...] = ()
