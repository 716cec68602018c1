"""
Connections that a jailed program tried to ports without a door: which, and how often.

The packets come from `refusal_filter.py`; here they are read, outside. What is remembered is bounded whatever the
program does: destinations beyond a number are counted and not named, and what comes faster than it is read is counted
by the kernel.
"""

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

from iron_proxy.jail.refusal_filter import SNAPPED_BYTES, seen_and_dropped

# A port scan of one host is 65,535 destinations; a summary of more than this is read by nobody.
MAX_DESTINATIONS = 1000
# So many packets are read at once, and then none for a while: a program that does nothing but connect costs the proxy
# some percent of a core, and the rest of its attempts are counted by the kernel.
_BATCH = 200
_PAUSE = 0.1  # seconds
_LAST_BATCHES = 20  # more than the socket's queue holds

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp", 136: "udplite"}
_TCP = 6
_WITH_PORTS = (6, 17, 33, 132, 136)  # these begin with source and destination port
_ICMP_HEADER = 8  # before the packet that an ICMP message quotes


class Refusal(NamedTuple):
    """A destination that was refused. `port` is 0 for protocols that have none."""

    protocol: str  # "tcp", "udp", "sctp", … or "ip-NUMBER"
    address: str
    port: int


def parse_refusal(packet: bytes) -> Refusal | None:
    """The destination that a reset or an ICMP message refuses; None for what is neither, or too short to tell."""
    try:
        protocol, source, _, begin = _read_header(packet)
        if protocol == _TCP:
            (port,) = struct.unpack_from("!H", packet, begin)
            return Refusal("tcp", source, port)
        return _quoted(packet[begin + _ICMP_HEADER :]) if protocol in (1, 58) else None
    except (struct.error, ValueError, IndexError):
        return None


def _quoted(packet: bytes) -> Refusal:
    protocol, _, destination, begin = _read_header(packet)
    port = 0
    if protocol in _WITH_PORTS:
        (port,) = struct.unpack_from("!H", packet, begin + 2)
    return Refusal(_PROTOCOLS.get(protocol, f"ip-{protocol}"), destination, port)


def _read_header(packet: bytes) -> tuple[int, str, str, int]:
    """Protocol, source, destination and the length of an IPv4 or IPv6 header."""
    version = packet[0] >> 4
    if version == 4:
        source, destination = (str(ipaddress.IPv4Address(packet[at : at + 4])) for at in (12, 16))
        return packet[9], source, destination, 4 * (packet[0] & 15)
    if version == 6:
        source, destination = (str(ipaddress.IPv6Address(packet[at : at + 16])) for at in (8, 24))
        return packet[6], source, destination, 40
    raise ValueError("not an IP packet")


class RefusedConnections:
    """
    Counts refusals while it is watching. `sock` None: the kernel has no packet sockets, and nothing is seen.

    `on_first` is called once for each destination, when it is refused for the first time; at most MAX_DESTINATIONS
    times. `watch` and `close` are for `launch.py`, which owns the socket.
    """

    def __init__(self, sock: socket.socket | None) -> None:
        self._socket = sock
        self._pause: asyncio.TimerHandle | None = None
        self.counts: dict[Refusal, int] = {}
        self.unnamed = 0  # refusals of which the destination was not kept
        self.on_first: Callable[[Refusal], None] | None = None

    @property
    def is_visible(self) -> bool:
        """Whether refusals can be seen at all."""
        return self._socket is not None

    @property
    def total(self) -> int:
        """All refusals so far, named or not."""
        return sum(self.counts.values()) + self.unnamed

    def watch(self) -> None:
        """Read what comes, in the running loop."""
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._read_batch)

    def close(self) -> None:
        """Read what is left, stop watching, close the socket. Twice does no harm."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        if self._pause is not None:
            self._pause.cancel()
        for _ in range(_LAST_BATCHES):
            if not self._read_some():
                break
        self._socket.close()
        self._socket = None

    def note(self, refusal: Refusal | None) -> None:
        """Count one."""
        if refusal in self.counts:
            self.counts[refusal] += 1
        elif refusal is None or len(self.counts) >= MAX_DESTINATIONS:
            self.unnamed += 1
        else:
            self.counts[refusal] = 1
            if self.on_first is not None:
                self.on_first(refusal)

    def _read_batch(self) -> None:
        if self._read_some() and self._socket is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket)
            self._pause = loop.call_later(_PAUSE, self.watch)

    def _read_some(self) -> bool:
        """Read one batch; whether there may be more."""
        if self._socket is None:
            return False
        for _ in range(_BATCH):
            try:
                packet = self._socket.recv(SNAPPED_BYTES)
            except OSError:  # nothing there; or the interface went away with its namespace
                self.unnamed += seen_and_dropped(self._socket)[1]
                return False
            self.note(parse_refusal(packet))
        return True
