"""
`/v1/connections`: the clients' connections at this moment, the oldest first.

Bytes are the kernel's own count (`TCP_INFO`, Linux), TLS and all: so that counting costs the traffic nothing.
"""

import socket
import struct
import sys
from dataclasses import asdict
from typing import Any, Final

from iron_proxy.proxy.services import Services
from iron_proxy.proxy.sight import Sight

# An answer for people and scripts, which a flood of connections must not blow up.
MAX_SHOWN: Final = 1000
_MAX_REQUESTS_SHOWN: Final = 20
# linux/tcp.h, struct tcp_info: tcpi_bytes_acked and tcpi_bytes_received (since Linux 4.1) are the two 64-bit numbers
# at this offset.
_TCP_INFO: Final = 11
_BYTES_AT: Final = 120


def live_connections(services: Services) -> dict[str, Any]:
    """`total`, and of that many at most `MAX_SHOWN` as `connections`."""
    sights = sorted((each.sight() for each in services.connections), key=lambda each: -each.age_seconds)
    return {"total": len(sights), "connections": [_described(each) for each in sights[:MAX_SHOWN]]}


def _described(sight: Sight) -> dict[str, Any]:
    to_client, from_client = _bytes_of(sight.socket)
    requests = [
        {**asdict(each), "age_seconds": round(each.age_seconds, 3)} for each in sight.requests[:_MAX_REQUESTS_SHOWN]
    ]
    return {
        "kind": sight.kind,
        "remote_addr": sight.peer,
        "client": sight.client,
        "target": sight.target,
        "is_tunnel": sight.is_tunnel,
        "generation": sight.generation,
        "age_seconds": round(sight.age_seconds, 3),
        "bytes_from_client": from_client,
        "bytes_to_client": to_client,
        "requests": requests,
    }


def _bytes_of(sock: Any) -> tuple[int | None, int | None]:
    """(sent and acknowledged, received); None where the kernel does not tell."""
    if sock is None or sys.platform != "linux":
        return None, None
    try:
        information = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_AT + 16)
        acked, received = struct.unpack_from("=QQ", information, _BYTES_AT)
    except (OSError, struct.error):              # it is gone, or the kernel is older
        return None, None
    return acked, received
