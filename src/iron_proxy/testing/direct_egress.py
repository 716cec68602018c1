"""
Connections and lookups of this very process that do not go through the proxy: seen, and refused where not allowed.

By an audit hook (PEP 578) and not by other functions in the place of `socket`'s: it sees every thread, every way to
import and asyncio as well, and no test can put something else there. It cannot be removed again; without a watch it
does nothing. What calls the C library itself (uvloop, gRPC, a subprocess) raises no such events.
"""

import ipaddress
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

# Its event → where the address stands among its arguments.
_SENDING: Final = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}
_ASKING: Final = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)
# Addresses of names that were looked up, so that a connection has a name. A run of tests meets some hundreds.
_MAX_NAMES: Final = 10_000


@dataclass(frozen=True, slots=True)
class DirectEgress:
    """A connection, a datagram or a lookup (then `is_lookup`). `port` 0 is unknown."""

    host: str
    port: int
    is_lookup: bool
    is_allowed: bool


class EgressRefused(ConnectionRefusedError):
    """What code under test gets: an OSError, as from any network that does not let it through."""


class DirectWatch:
    """`admits`: whether a host and port may be connected to; `admits_name`: whether a name may be looked up."""

    def __init__(self, admits: Callable[[str, int], bool], admits_name: Callable[[str], bool]) -> None:
        self._admits, self._admits_name = admits, admits_name
        self._seen: list[DirectEgress] = []
        self._names: dict[str, str] = {}  # address → the name that was looked up

    def take_seen(self) -> list[DirectEgress]:
        """What happened since the last time."""
        seen, self._seen = self._seen, []
        return seen

    def start(self) -> None:
        """From here on this watch is asked. One at a time."""
        _install()
        self._lookup = socket.getaddrinfo
        socket.getaddrinfo = self._look_up
        _State.watch = self

    def stop(self) -> None:
        """Nobody is asked any more."""
        _State.watch = None
        if socket.getaddrinfo == self._look_up:
            socket.getaddrinfo = self._lookup

    def check_address(self, address: Any) -> None:
        """Raises EgressRefused."""
        if not isinstance(address, tuple) or not address or not isinstance(address[0], str):
            return
        host, port = _unscoped(address[0]), address[1] if isinstance(address[1], int) else 0
        if _is_local(host):
            return
        name = self._names.get(host, host)
        is_allowed = self._admits(name, port) or self._admits(host, port)
        self._note(DirectEgress(name, port, False, is_allowed))

    def check_name(self, name: Any, port: Any) -> None:
        """Raises EgressRefused."""
        host = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        if not isinstance(host, str) or _is_local(_unscoped(host)) or _address(_unscoped(host)) is not None:
            return
        number = int(port) if isinstance(port, int) or (isinstance(port, str) and port.isdecimal()) else 0
        self._note(DirectEgress(host.lower().rstrip("."), number, True, self._admits_name(host.lower().rstrip("."))))

    def _note(self, egress: DirectEgress) -> None:
        self._seen.append(egress)
        if not egress.is_allowed:
            what = "the lookup of" if egress.is_lookup else "a direct connection to"
            raise EgressRefused(f"the egress guard refused {what} {egress.host} (port {egress.port or 'unknown'})")

    def _look_up(self, host: Any, *arguments: Any, **keywords: Any) -> Any:
        """`socket.getaddrinfo`, remembering whose addresses those are."""
        answers = self._lookup(host, *arguments, **keywords)
        if isinstance(host, str) and len(self._names) < _MAX_NAMES and _address(host) is None:
            self._names.update({str(answer[4][0]): host.lower().rstrip(".") for answer in answers})
        return answers


class _State:
    watch: DirectWatch | None = None
    is_installed = False
    lock = threading.Lock()


def _install() -> None:
    with _State.lock:
        if not _State.is_installed:
            sys.addaudithook(_on_event)
            _State.is_installed = True


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    watch = _State.watch
    if watch is None or not event.startswith("socket."):
        return
    if event in _SENDING:
        if arguments[0].family in _INTERNET:
            watch.check_address(arguments[_SENDING[event]])
    elif event in _ASKING:
        watch.check_name(arguments[0], arguments[1] if len(arguments) > 1 else None)


def _unscoped(host: str) -> str:
    return host.partition("%")[0]


def _is_local(host: str) -> bool:
    """This machine, under any of its names."""
    address = _address(host)
    if address is None:
        name = host.lower().rstrip(".")
        return name in ("", "localhost", socket.gethostname().lower()) or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback or (mapped or address).is_unspecified


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
