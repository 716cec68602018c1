"""
How many connections of clients fit: what `limits` says, or what follows from the descriptors that the process may open.

Used by `runtime/` to serve and by `inspection/` to warn.
"""

from dataclasses import dataclass
from typing import Final

from iron_proxy.config.schema import LimitsConfig

# Beside connections: listeners, DNS, logs, CA and secret files that are read, pages, and the loop's own.
RESERVED_DESCRIPTORS: Final = 64
# A client's connection and the one to its upstream. Streams of HTTP/2 may need more upstreams than that, while most
# connections are idle and need none.
DESCRIPTORS_PER_CONNECTION: Final = 2
# However few descriptors there are; a machine with fewer would not even start.
FEWEST_CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Capacity:
    """Connections at once: of all clients together, and of one."""

    connections: int
    per_client: int


def capacity_of(limits: LimitsConfig, descriptors: int) -> Capacity:
    """
    What is served, where `descriptors` files and sockets may be open.

    One client gets three quarters: alone it hardly misses the rest, and another always finds room.
    """
    connections = limits.connections or max(FEWEST_CONNECTIONS, connections_within(descriptors))
    per_client = limits.connections_per_client or max(1, connections * 3 // 4)
    return Capacity(connections, min(per_client, connections))


def connections_within(descriptors: int) -> int:
    """How many connections these descriptors are enough for."""
    return (descriptors - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CONNECTION
