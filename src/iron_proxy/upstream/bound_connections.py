"""
Connections to upstreams that one client has authenticated, idle, kept for that client alone.

Negotiate and NTLM (RFC 4559) prove who asks once per connection: whatever comes on it afterwards counts as that user's.
From the pool at large another client would get it, and with it the user's rights. Kept by `pool.py`, which also closes
what has been idle for too long; HTTP/2 knows no such thing (RFC 9113 section 9.1.1).
"""

from iron_proxy.messages.headers import Fields, Headers
from iron_proxy.messages.request import Request
from iron_proxy.upstream.http1_client import OriginKey, UpstreamConnection

# Of all clients together. Each connection is found by looking at every one, and a client rarely has more than two.
MAX_BOUND = 128

_SCHEMES = (b"negotiate", b"ntlm")
_SCHEME_BYTES = 10


def authenticates_connection(request: Request) -> bool:
    """Whether a request carries credentials that stay with the connection it is sent on."""
    fields = request.headers.fields
    if not isinstance(fields, Fields):
        return _holds_such_credentials(request.headers)
    known = fields.is_bound
    if known is None:
        known = fields.is_bound = _holds_such_credentials(request.headers)
    return known


def _holds_such_credentials(headers: Headers) -> bool:
    value = headers.get(b"authorization")
    return value is not None and value[:_SCHEME_BYTES].partition(b" ")[0].lower() in _SCHEMES


class BoundConnections:
    """What is idle of them, the longest first. An owner is any object that a client's connection has for itself."""

    def __init__(self) -> None:
        self._idle: list[UpstreamConnection] = []

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, key: OriginKey, owner: object) -> UpstreamConnection | None:
        """The owner's connection to an origin that was used last, or None; the caller has it then."""
        for connection in reversed(self._idle):
            if connection.bound_to is owner and connection.key == key:
                self._idle.remove(connection)
                return connection
        return None

    def keep(self, connection: UpstreamConnection) -> None:
        """Take a connection that is bound. The one that was idle longest is closed for it, if there are too many."""
        self._idle.append(connection)
        if len(self._idle) > MAX_BOUND:
            _close(self._idle.pop(0))

    def forget(self, connection: UpstreamConnection) -> None:
        """Its upstream has ended an idle one."""
        self._idle.remove(connection)

    def sweep(self, idle_since: float) -> None:
        """Close those that nobody has used since then."""
        while self._idle and self._idle[0].idle_since < idle_since:
            _close(self._idle.pop(0))

    def close(self) -> None:
        """Close all."""
        while self._idle:
            _close(self._idle.pop())


def _close(connection: UpstreamConnection) -> None:
    connection.is_idle = False
    connection.close()
