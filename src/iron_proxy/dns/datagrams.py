"""
One UDP socket of the DNS server. Each answer leaves from the address that its question was sent to.

On a socket for all addresses the kernel would choose the sender by its routes, and a client that asked another address
of this machine throws the answer away. So the destination of each datagram is read (RFC 3542 section 6) and given back.
On other systems than Linux the kernel's choice has to do.
"""

import asyncio
import logging
import socket
import struct
import sys
from contextlib import suppress
from functools import lru_cache, partial
from time import monotonic
from typing import Final

from iron_proxy.dns.responder import Address, PendingAnswer, Responder

logger = logging.getLogger("iron_proxy.dns")

Ancillary = list[tuple[int, int, bytes]]
_NOTHING: Ancillary = []

# What is longer is cut by the kernel, and malformed then: no question comes near it.
_MAX_PACKET = 4096
# Read in one go before the loop's other work has its turn.
_BURST = 64
# An address that cannot be answered may be forged a thousand times a second.
_ERRORS_TOLD_EVERY = 10.0

# linux/in.h and linux/in6.h; Python has no names for these.
_IP_PKTINFO: Final = 8
_IPV6_FREEBIND: Final = 78
_PKTINFO4 = struct.Struct("=i4s4s")  # interface, our address, the datagram's destination
_PKTINFO6 = struct.Struct("=16sI")  # the datagram's destination, interface
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class DatagramEndpoint:
    """Reads and answers from `open` to `close`, which closes the socket too."""

    def __init__(self, responder: Responder, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._responder = responder
        self._sock = sock
        self._ancillary_bytes = 0
        if sock.getsockname()[0] in _WILDCARDS and sys.platform == "linux":
            self._ancillary_bytes = _ask_for_destinations(sock)
        self._error_told_at = -_ERRORS_TOLD_EVERY

    def open(self) -> None:
        """Start to answer."""
        asyncio.get_running_loop().add_reader(self._sock, self._read_burst)

    def close(self) -> None:
        """Stop at once. May be called more than once."""
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()

    def _read_burst(self) -> None:
        sock, ancillary = self._sock, _NOTHING
        for _ in range(_BURST):
            try:
                if self._ancillary_bytes:
                    packet, ancillary, _flags, client = sock.recvmsg(_MAX_PACKET, self._ancillary_bytes)
                else:
                    packet, client = sock.recvfrom(_MAX_PACKET)
            except BlockingIOError:
                return
            except OSError as error:
                self._tell_error(error)
                return
            self._answer(packet, ancillary, client)

    def _answer(self, packet: bytes, ancillary: Ancillary, client: Address) -> None:
        answer = self._responder.answer(packet, client)
        if answer is None:
            return
        source = _source_of(ancillary) if ancillary else ancillary
        if type(answer) is bytes:
            self._send(source, client, answer)
        elif isinstance(answer, PendingAnswer):
            self._responder.look_up(answer, client, partial(self._send_later, source, client))

    def _send_later(self, source: Ancillary, client: Address, response: bytes) -> None:
        if self._sock.fileno() >= 0:  # else it was closed while the name was looked up
            self._send(source, client, response)

    def _send(self, source: Ancillary, client: Address, response: bytes) -> None:
        try:
            if source:
                self._sock.sendmsg([response], source, 0, client)
            else:
                self._sock.sendto(response, client)
        except BlockingIOError:
            return  # answers do not leave: more would only pile up, and clients ask again
        except OSError as error:
            self._tell_error(error)

    def _tell_error(self, error: OSError) -> None:
        now = monotonic()
        if now - self._error_told_at >= _ERRORS_TOLD_EVERY:
            self._error_told_at = now
            logger.error("dns write failed", extra={"fields": {"error": error.strerror or type(error).__name__}})


def _ask_for_destinations(sock: socket.socket) -> int:
    """Have the kernel tell each datagram's destination; returns the room that takes, 0 where it cannot."""
    try:
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            return socket.CMSG_SPACE(_PKTINFO4.size)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    except OSError:
        return 0  # a sandboxed kernel: its choice of an address has to do, as on other systems
    with suppress(OSError):
        # In a namespace where every address is local by route, none of them is on an interface: IPv6 wants this then.
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    return socket.CMSG_SPACE(_PKTINFO6.size)


def _source_of(ancillary: Ancillary) -> Ancillary:
    """The ancillary data to answer with: from that address, by whatever interface the routes say."""
    for level, kind, content in ancillary:
        if (level, kind) in _PACKERS:
            source = _PACKERS[level, kind](content)
            return [(level, kind, source)] if source else []
    return []


# A machine has a few addresses; in a jail, where each is its own, programs ask one or two.
@lru_cache(maxsize=256)
def _source4(content: bytes) -> bytes:
    _, ours, _ = _PKTINFO4.unpack(content)
    return _PKTINFO4.pack(0, ours, bytes(4))


@lru_cache(maxsize=256)
def _source6(content: bytes) -> bytes:
    destination, interface = _PKTINFO6.unpack(content)
    if destination[0] == 0xFF:
        return b""  # sent to many: nobody's address to answer from
    is_link_local = destination[0] == 0xFE and destination[1] & 0xC0 == 0x80
    return _PKTINFO6.pack(destination, interface if is_link_local else 0)


_PACKERS = {
    (socket.IPPROTO_IP, _IP_PKTINFO): _source4,
    (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO): _source6,
}
