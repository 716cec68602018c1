"""
What the audit log says of a connection to an upstream: where it leads and, where a secret went, to whom.

Asked for once for each request, so what is said is made once for each connection.
"""

from hashlib import sha256
from typing import Any

from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream

Facts = dict[str, Any]


class ConnectionFacts:
    """The facts of one connection, which they must not outlive."""

    __slots__ = ("_address", "_identity", "_stream")

    def __init__(self, stream: SocketStream | TLSStream) -> None:
        self._stream = stream
        self._address: Facts | None = None
        self._identity: Facts | None = None

    def address(self) -> Facts:
        """`address`: `ip:port` that was connected to. Through an outbound proxy it is that one's."""
        if self._address is None:
            self._address = {"address": self._stream.peer}
        return self._address

    def identity(self) -> Facts:
        """With `tls`, the version, and `certificate_sha256`, of what the upstream showed: DER, in hexadecimal."""
        if self._identity is None:
            self._identity = self.address()
            if isinstance(self._stream, TLSStream):
                certificate = self._stream.peer_certificate() or b""
                fingerprint = sha256(certificate).hexdigest()
                self._identity = {
                    **self.address(), "tls": self._stream.version, "certificate_sha256": fingerprint
                }  # fmt: skip
        return self._identity
