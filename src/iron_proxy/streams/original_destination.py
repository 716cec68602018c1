"""
Where a connection was going before the kernel sent it to us: as TPROXY leaves it, and as REDIRECT hides it.

Both come from the kernel's own tables (the accepted socket's address, the connection-tracking entry), never from what
the client sent, so a client can pretend nothing but by really connecting there. Called by `listeners/transparent.py`.
Linux only; elsewhere `destination_of_redirect` finds nothing.
"""

import socket
import struct
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any

from iron_proxy.messages.authority import Target
from iron_proxy.streams.socket_stream import SocketStream

ReadDestination = Callable[[SocketStream], Target | None]

# linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h; the socket module does not have them.
_SO_ORIGINAL_DST = 80
_IP6T_SO_ORIGINAL_DST = 80
# struct sockaddr_in: family, port, address, padding. struct sockaddr_in6: family, port, flow, address, scope.
_SOCKADDR_IN = struct.Struct("=H2s4s8x")
_SOCKADDR_IN6 = struct.Struct("=H2sI16sI")


def destination_of_tproxy(stream: SocketStream) -> Target | None:
    """The address and port that an accepted socket has: with TPROXY those that the client connected to."""
    name = stream.extra("sockname")
    return None if name is None else _target(str(name[0]), int(name[1]))


def destination_of_redirect(stream: SocketStream) -> Target | None:
    """
    The address and port before the kernel's REDIRECT or DNAT; None when it has translated nothing.

    A connection that is tracked, but came straight, yields the address of our own listener.
    """
    name, sock = stream.extra("sockname"), stream.extra("socket")
    if name is None or sock is None:
        return None
    host = str(name[0])
    try:
        if ":" in host and not host.startswith("::ffff:"):
            return _from_sockaddr_in6(sock)
        return _from_sockaddr_in(sock)
    except OSError:                              # not tracked, or no Linux: nothing was translated
        return None


def _from_sockaddr_in(sock: Any) -> Target:
    raw = sock.getsockopt(socket.IPPROTO_IP, _SO_ORIGINAL_DST, _SOCKADDR_IN.size)
    _, port, address = _SOCKADDR_IN.unpack(raw)
    return _target(socket.inet_ntop(socket.AF_INET, address), int.from_bytes(port, "big"))


def _from_sockaddr_in6(sock: Any) -> Target:
    raw = sock.getsockopt(socket.IPPROTO_IPV6, _IP6T_SO_ORIGINAL_DST, _SOCKADDR_IN6.size)
    _, port, _, address, _ = _SOCKADDR_IN6.unpack(raw)
    return _target(socket.inet_ntop(socket.AF_INET6, address), int.from_bytes(port, "big"))


def _target(host: str, port: int) -> Target:
    """In canonical form: no zone, and an IPv4 address as such where a dual-stack socket wraps it."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return Target(str(address), port, True)
