"""
The server's half of a SOCKS5 CONNECT (RFC 1928): a greeting, a request, and the replies to both.

Only "no authentication" and only CONNECT: BIND and UDP ASSOCIATE would open sockets that policy never sees. Whether
the target may be reached is decided by `proxy/socks5_tunnel.py`, which feeds this, sends what it says, and answers the
request with `reply`. Deadlines are the caller's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from iron_proxy.errors import BadRequest
from iron_proxy.messages.authority import Target, parse_host

VERSION = 5

_NO_AUTHENTICATION = 0x00
_NO_ACCEPTABLE_METHOD = 0xFF
_CONNECT = 1
_IPV4, _DOMAIN, _IPV6 = 1, 3, 4
_ADDRESS_SIZES = {_IPV4: 4, _IPV6: 16}


class Reply(IntEnum):
    """The reply codes of RFC 1928 section 6."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    CONNECTION_REFUSED = 5
    TTL_EXPIRED = 6
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


def reply(code: Reply) -> bytes:
    """The ten bytes that answer a request. The bound address is all zeros: ours would tell a client nothing."""
    return bytes((VERSION, code, 0, _IPV4, 0, 0, 0, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class SendBytes:
    """Bytes to write to the client now."""

    data: bytes


@dataclass(frozen=True, slots=True)
class TunnelRequested:
    """The client asks for a tunnel. The caller decides, and answers with `reply`."""

    target: Target


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """The handshake is over; any answer to it came before as SendBytes. `reason` is a fixed sentence."""

    reason: str


Event = SendBytes | TunnelRequested | HandshakeFailed


class Socks5ServerHandshake:
    """
    Bytes in, events out; the last event is TunnelRequested or HandshakeFailed.

    The lengths in the protocol bound what an unfinished handshake can make us hold: a greeting has at most 257 bytes,
    a request at most 262.
    """

    def __init__(self) -> None:
        self._unread = bytearray()
        self._step: Callable[[], list[Event] | None] = self._read_greeting

    @property
    def unread(self) -> bytes:
        """What the client sent after its request: the beginning of the inner protocol, not to be lost."""
        return bytes(self._unread)

    def receive(self, data: bytes) -> list[Event]:
        """Take the next bytes; an empty list while the rest is still on its way."""
        self._unread += data
        events: list[Event] = []
        while (news := self._step()) is not None:
            events += news
        return events

    def _read_greeting(self) -> list[Event] | None:
        if self._unread and self._unread[0] != VERSION:
            return self._fail("the SOCKS greeting is not of version 5")
        if len(self._unread) < 2 or (greeting := self._take(2 + self._unread[1])) is None:
            return None
        if _NO_AUTHENTICATION not in greeting[2:]:
            # Two bytes (RFC 1928 section 3), not the ten of a request's reply.
            return self._fail(
                "the SOCKS client does not offer to go without authentication",
                bytes((VERSION, _NO_ACCEPTABLE_METHOD)),
            )
        self._step = self._read_request
        return [SendBytes(bytes((VERSION, _NO_AUTHENTICATION)))]

    def _read_request(self) -> list[Event] | None:
        if len(self._unread) < 4:
            return None
        version, command, _, address_type = self._unread[:4]
        if version != VERSION:
            return self._fail("the SOCKS request is not of version 5", reply(Reply.GENERAL_FAILURE))
        if command != _CONNECT:
            return self._fail("a SOCKS command other than CONNECT", reply(Reply.COMMAND_NOT_SUPPORTED))
        if address_type not in (_IPV4, _DOMAIN, _IPV6):
            return self._fail("an unknown SOCKS address type", reply(Reply.ADDRESS_TYPE_NOT_SUPPORTED))
        if (request := self._take(4 + self._address_size(address_type) + 2)) is None:
            return None
        return self._request_tunnel(address_type, request[4:-2], int.from_bytes(request[-2:]))

    def _address_size(self, address_type: int) -> int:
        if address_type != _DOMAIN:
            return _ADDRESS_SIZES[address_type]
        # A length byte, then as many more. Until it has arrived the slice is empty and counts as zero: still too short.
        return 1 + int.from_bytes(self._unread[4:5])

    def _request_tunnel(self, address_type: int, address: bytes, port: int) -> list[Event]:
        if port == 0:
            return self._fail("the SOCKS request is for port 0", reply(Reply.GENERAL_FAILURE))
        try:
            host, is_ip = _parse_address(address_type, address)
        except BadRequest:
            return self._fail("the SOCKS request's domain is not a host name", reply(Reply.GENERAL_FAILURE))
        self._step = self._finished
        return [TunnelRequested(Target(host, port, is_ip))]

    def _fail(self, reason: str, answer: bytes = b"") -> list[Event]:
        self._step = self._finished
        return [SendBytes(answer), HandshakeFailed(reason)] if answer else [HandshakeFailed(reason)]

    def _finished(self) -> None:
        return None

    def _take(self, size: int) -> bytes | None:
        if len(self._unread) < size:
            return None
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken


def _parse_address(address_type: int, address: bytes) -> tuple[str, bool]:
    """Raises BadRequest for a domain that is not a host name: a NUL in it would cut it short for a resolver."""
    if address_type == _IPV4:
        return str(IPv4Address(address)), True
    if address_type == _IPV6:
        return str(IPv6Address(address)), True
    domain = address[1:]
    if b"[" in domain:                          # brackets belong to URLs; IPv6 has an address type of its own here
        raise BadRequest("malformed host")
    return parse_host(domain)
