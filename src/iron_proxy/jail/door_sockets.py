"""The listening sockets of a jail, made inside; see `plan.Door` for what a caller outside may rely on."""

import errno
import socket

# Connections the kernel holds while the proxy is busy; it caps this at net.core.somaxconn.
_BACKLOG = 4096
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_IP_PKTINFO, _IPV6_FREEBIND = 8, 78  # <linux/in.h>, <linux/in6.h>; Python has no names for them before 3.14


def open_door(port: int, *, is_udp: bool) -> socket.socket:
    """A socket for every address; a TCP one listens. Not blocking. Raises OSError."""
    kind = socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM
    try:
        return _bound(socket.AF_INET6, "::", port, kind)
    except OSError as error:
        if error.errno not in _NO_IPV6:
            raise
    return _bound(socket.AF_INET, "0.0.0.0", port, kind)  # noqa: S104 - every address is the point


def _bound(family: socket.AddressFamily, host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(_BACKLOG)
        else:
            _report_destinations(sock)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _report_destinations(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        # IPv4 datagrams are reported by this too, with an address ::ffff:a.b.c.d.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        # To answer from there: the address is local by a route, which the kernel counts for IPv4 only.
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
