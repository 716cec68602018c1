"""
The server's half of a SOCKS5 CONNECT (RFC 1928): a greeting, a password if one is wanted (RFC 1929), a request, and
the replies to them.

Only CONNECT: BIND and UDP ASSOCIATE would open sockets that policy never sees. Whether a password is right and whether
the target may be reached is decided by `proxy/socks5_tunnel.py`, which feeds this, sends what it says, and answers the
request with `reply`. Deadlines are the caller's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto
from ipaddress import IPv4Address, IPv6Address

from iron_proxy.errors import BadRequest
from iron_proxy.messages.authority import Target, parse_host

VERSION = 5

_NO_AUTHENTICATION = 0x00
_USERNAME_AND_PASSWORD = 0x02
_NO_ACCEPTABLE_METHOD = 0xFF
_CONNECT = 1
_IPV4, _DOMAIN, _IPV6 = 1, 3, 4
_ADDRESS_SIZES = {_IPV4: 4, _IPV6: 16}
# RFC 1929: the version of the negotiation, which is not SOCKS's, and its two answers.
_NEGOTIATION_VERSION = 1
_CREDENTIALS_ACCEPTED = bytes((_NEGOTIATION_VERSION, 0))
_CREDENTIALS_REFUSED = bytes((_NEGOTIATION_VERSION, 1))


class Authentication(Enum):
    """Whether a client is asked for a user name and a password."""

    NONE = auto()  # never
    OPTIONAL = auto()  # when it offers them
    REQUIRED = auto()  # always; it is turned away when it does not offer them


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
class CredentialsOffered:
    """The client says who it is. The caller answers with `accept_credentials` or `refuse_credentials`."""

    username: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TunnelRequested:
    """The client asks for a tunnel. The caller decides, and answers with `reply`."""

    target: Target


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """The handshake is over; any answer to it came before as SendBytes. `reason` is a fixed sentence."""

    reason: str


Event = SendBytes | CredentialsOffered | TunnelRequested | HandshakeFailed


_NOT_OFFERED = {
    Authentication.NONE: "the SOCKS client does not offer to go without authentication",
    Authentication.OPTIONAL: "the SOCKS client offers neither a password nor to go without authentication",
    Authentication.REQUIRED: "the SOCKS client does not offer a user name and password",
}


class Socks5ServerHandshake:
    """
    Bytes in, events out; the last event is TunnelRequested or HandshakeFailed.

    The lengths in the protocol bound what an unfinished handshake can make us hold: a greeting has at most 257 bytes,
    a user name and a password 513, a request 262. While credentials wait for an answer, nothing more should be read.
    """

    def __init__(self, authentication: Authentication = Authentication.NONE) -> None:
        self._authentication = authentication
        self._unread = bytearray()
        # A function of the class: a method of its own would be a cycle, left to the collector.
        self._step: Callable[[Socks5ServerHandshake], list[Event] | None] = Socks5ServerHandshake._read_greeting

    @property
    def unread(self) -> bytes:
        """What the client sent after its request: the beginning of the inner protocol, not to be lost."""
        return bytes(self._unread)

    def receive(self, data: bytes) -> list[Event]:
        """Take the next bytes; an empty list while the rest is still on its way."""
        self._unread += data
        return self._advance()

    def accept_credentials(self) -> list[Event]:
        """The credentials that were offered are right: go on, also with what the client sent without waiting."""
        self._end_waiting()
        self._step = Socks5ServerHandshake._read_request
        return [SendBytes(_CREDENTIALS_ACCEPTED), *self._advance()]

    def refuse_credentials(self) -> list[Event]:
        """The credentials that were offered are not right: the handshake fails."""
        self._end_waiting()
        return self._fail("the SOCKS client's user name and password are not accepted", _CREDENTIALS_REFUSED)

    def _end_waiting(self) -> None:
        if self._step is not Socks5ServerHandshake._await_decision:
            raise RuntimeError("no credentials wait for an answer")

    def _advance(self) -> list[Event]:
        events: list[Event] = []
        while (news := self._step(self)) is not None:
            events += news
        return events

    def _read_greeting(self) -> list[Event] | None:
        if self._unread and self._unread[0] != VERSION:
            return self._fail("the SOCKS greeting is not of version 5")
        if len(self._unread) < 2 or (greeting := self._take(2 + self._unread[1])) is None:
            return None
        offered = greeting[2:]
        if _USERNAME_AND_PASSWORD in offered and self._authentication is not Authentication.NONE:
            self._step = Socks5ServerHandshake._read_credentials
            return [SendBytes(bytes((VERSION, _USERNAME_AND_PASSWORD)))]
        if _NO_AUTHENTICATION in offered and self._authentication is not Authentication.REQUIRED:
            self._step = Socks5ServerHandshake._read_request
            return [SendBytes(bytes((VERSION, _NO_AUTHENTICATION)))]
        # Two bytes (RFC 1928 section 3), not the ten of a request's reply.
        return self._fail(_NOT_OFFERED[self._authentication], bytes((VERSION, _NO_ACCEPTABLE_METHOD)))

    def _read_credentials(self) -> list[Event] | None:
        if self._unread and self._unread[0] != _NEGOTIATION_VERSION:
            return self._fail("the SOCKS client's user name comes in an unknown version", _CREDENTIALS_REFUSED)
        username_end = 2 + int.from_bytes(self._unread[1:2])
        # Until a length byte has arrived its slice is empty and counts as zero, and the whole is still too short.
        size = username_end + 1 + int.from_bytes(self._unread[username_end : username_end + 1])
        if len(self._unread) <= username_end or (message := self._take(size)) is None:
            return None
        username, password = message[2:username_end], message[username_end + 1 :]
        if not username or not password:
            return self._fail("the SOCKS client's user name or password is empty", _CREDENTIALS_REFUSED)
        self._step = Socks5ServerHandshake._await_decision
        return [CredentialsOffered(username, password)]

    def _await_decision(self) -> None:
        return None

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
        self._step = Socks5ServerHandshake._finished
        return [TunnelRequested(Target(host, port, is_ip))]

    def _fail(self, reason: str, answer: bytes = b"") -> list[Event]:
        self._step = Socks5ServerHandshake._finished
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
