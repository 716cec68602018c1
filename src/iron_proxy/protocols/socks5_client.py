"""
The client's half of a SOCKS5 CONNECT (RFC 1928), with user and password (RFC 1929) where the proxy asks for them.

The server's half, which workloads speak to, is `socks5.py`. Fed by `upstream/proxy_handshake.py`, which sends what it
says and has the deadline.
"""

from collections.abc import Callable
from ipaddress import ip_address

from iron_proxy.errors import UpstreamError, UpstreamProtocolError, UpstreamUnreachable
from iron_proxy.messages.authority import Target

_VERSION = 5
_AUTHENTICATION_VERSION = 1  # RFC 1929 section 2 counts for itself
_NO_AUTHENTICATION, _USER_AND_PASSWORD, _NO_ACCEPTABLE_METHOD = 0x00, 0x02, 0xFF
_CONNECT = 1
_IPV4, _DOMAIN, _IPV6 = 1, 3, 4
_ADDRESS_SIZES = {_IPV4: 4, _IPV6: 16}

# RFC 1928 section 6.
_FAILURES = {
    1: "a general failure",
    2: "its rules do not allow the connection",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "the time to live expired",
    7: "it does not know CONNECT",
    8: "it does not know this kind of address",
}


class Socks5ClientHandshake:
    """
    Send `greeting`, then feed what comes and send what `receive` returns, until `is_open`.

    The lengths in the protocol bound what it holds: a reply has at most 262 bytes.
    """

    def __init__(self, target: Target, credentials: tuple[bytes, bytes] | None = None) -> None:
        self._target = target
        self._credentials = credentials
        self._unread = bytearray()
        self._step: Callable[[], bytes | None] = self._read_method
        self.is_open = False

    @property
    def greeting(self) -> bytes:
        """The first message: the methods that we can authenticate with."""
        if self._credentials is None:
            return bytes((_VERSION, 1, _NO_AUTHENTICATION))
        return bytes((_VERSION, 2, _NO_AUTHENTICATION, _USER_AND_PASSWORD))

    @property
    def unread(self) -> bytes:
        """What came behind the last reply: the tunnel's first bytes, not to be lost."""
        return bytes(self._unread)

    def receive(self, data: bytes) -> bytes:
        """Take the next bytes; what to send now, often nothing. Raises UpstreamError."""
        self._unread += data
        answer = b""
        while not self.is_open and (part := self._step()) is not None:
            answer += part
        return answer

    def _read_method(self) -> bytes | None:
        if (choice := self._take(2)) is None:
            return None
        version, method = choice
        if version != _VERSION:
            raise UpstreamProtocolError("it does not speak SOCKS5")
        if method == _NO_AUTHENTICATION:
            self._step = self._read_reply
            return self._request()
        if method == _USER_AND_PASSWORD and self._credentials is not None:
            self._step = self._read_authentication
            user, password = self._credentials
            return bytes((_AUTHENTICATION_VERSION, len(user))) + user + bytes((len(password),)) + password
        if method == _NO_ACCEPTABLE_METHOD:
            raise UpstreamError(
                "it accepts none of our ways to authenticate; put user:password@ into the proxy's URL"
                if self._credentials is None
                else "it accepts neither no authentication nor user and password"
            )
        raise UpstreamProtocolError("it chose an authentication that was not offered")

    def _read_authentication(self) -> bytes | None:
        if (answer := self._take(2)) is None:
            return None
        if answer[0] != _AUTHENTICATION_VERSION:
            raise UpstreamProtocolError("its answer to user and password is malformed")
        if answer[1] != 0:
            raise UpstreamError("it refused the user and password of the proxy's URL")
        self._step = self._read_reply
        return self._request()

    def _request(self) -> bytes:
        host, port = self._target.host, self._target.port
        try:
            address = ip_address(host)
        except ValueError:
            kind, encoded = _DOMAIN, bytes((len(host),)) + host.encode("ascii")
        else:
            kind, encoded = (_IPV4 if address.version == 4 else _IPV6), address.packed
        return bytes((_VERSION, _CONNECT, 0, kind)) + encoded + port.to_bytes(2)

    def _read_reply(self) -> bytes | None:
        unread = self._unread
        if len(unread) >= 2:  # a refusal is complete with its code: some servers send no more
            self._check_reply(unread[0], unread[1])
        if len(unread) < 5:
            return None
        kind = unread[3]
        if kind not in (_IPV4, _DOMAIN, _IPV6):
            raise UpstreamProtocolError("its reply names an unknown kind of address")
        size = _ADDRESS_SIZES[kind] if kind != _DOMAIN else 1 + unread[4]
        if self._take(4 + size + 2) is None:
            return None
        self.is_open = True
        return b""

    def _check_reply(self, version: int, code: int) -> None:
        if version != _VERSION:
            raise UpstreamProtocolError("its reply is not of version 5")
        if code != 0:
            raise UpstreamUnreachable(_FAILURES.get(code, "a failure with an unknown code"))

    def _take(self, size: int) -> bytes | None:
        if len(self._unread) < size:
            return None
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken
