"""
A listen address → bound sockets. `:443` means every address, IPv4 and IPv6 on one dual-stack socket.

A transparent socket (`proxy.transparent: tproxy`) also takes connections to addresses that are not this machine's,
once the kernel's TPROXY hands them over.
"""

import errno
import socket
import sys

from iron_proxy.errors import StartupError

# Connections the kernel holds for us while the loop is busy; it caps this at net.core.somaxconn.
BACKLOG = 4096
# A machine without IPv6 says one of these: IPv4 alone will do there. A port in use on IPv6 is no such reason.
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
# linux/in.h and linux/in6.h; the socket module has only the first, and only on Linux.
_IP_TRANSPARENT, _IPV6_TRANSPARENT = 19, 75


def bind_tcp(
    host: str, port: int, setting: str, *, transparent: bool = False, shares_port: bool = False
) -> socket.socket:
    """
    A bound TCP socket, not yet accepting. Raises StartupError naming the setting and the remedy.

    `transparent` needs Linux and CAP_NET_ADMIN. Sockets that share a port share its connections, too (SO_REUSEPORT).
    """
    sock = _bind(host, port, socket.SOCK_STREAM, setting, shares_port)
    if transparent:
        try:
            _make_transparent(sock)
        except OSError as error:
            sock.close()
            raise StartupError(f"{setting}: proxy.transparent: tproxy: {_transparent_remedy(error)}") from error
    return sock


def bind_udp(host: str, port: int, setting: str) -> socket.socket:
    """A bound UDP socket. Raises StartupError."""
    return _bind(host, port, socket.SOCK_DGRAM, setting)


def _bind(
    host: str, port: int, kind: socket.SocketKind, setting: str, shares_port: bool = False
) -> socket.socket:
    families = [socket.AF_INET6 if ":" in host else socket.AF_INET] if host else [socket.AF_INET6, socket.AF_INET]
    failure: OSError | None = None
    for family in families:
        try:
            return _bind_family(host, port, family, kind, shares_port)
        except OSError as error:
            failure = error
            if error.errno not in _NO_IPV6:
                break
    reason = (failure.strerror or "").lower() if failure is not None else ""
    reason = reason or "cannot be bound"
    raise StartupError(f'{setting}: listen {host}:{port}: {reason}{_remedy(failure, setting)}') from failure


def _bind_family(
    host: str, port: int, family: int, kind: socket.SocketKind, shares_port: bool
) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if host else 0)
        sock.bind((host, port))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _make_transparent(sock: socket.socket) -> None:
    """On a dual-stack socket the IPv6 option serves for both."""
    if sys.platform != "linux":
        raise OSError(errno.ENOPROTOOPT, "not Linux")
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)


def _transparent_remedy(failure: OSError) -> str:
    if isinstance(failure, PermissionError):
        return (
            "not permitted (it needs CAP_NET_ADMIN: run as root, or with AmbientCapabilities=CAP_NET_ADMIN in the "
            "systemd unit; `redirect` needs no such right)"
        )
    return f"{(failure.strerror or 'not possible').lower()} (it needs Linux with TPROXY)"


def _remedy(failure: OSError | None, setting: str) -> str:
    if isinstance(failure, PermissionError):
        return f" (ports below 1024 need CAP_NET_BIND_SERVICE or root; or choose a higher port in {setting})"
    if failure is not None and failure.errno == errno.EADDRINUSE:
        return f" (another program has it; stop that or choose another address in {setting})"
    return ""


def address_text(sock: socket.socket) -> str:
    """The bound address as Go would print it: `[::]:80`, `127.0.0.1:8080`."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_local_address(address: str) -> bool:
    """Whether an IP address belongs to this machine: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True
