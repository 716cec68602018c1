"""
The connections that the dialer has opened lately, so that one which comes back to us is known for our own.

Rules that intercept the proxy's own traffic too (a REDIRECT in the output chain without an exception for its user) send
every connection that it opens straight back to it, without end. Kept only where connections are intercepted.
"""

from typing import Any

from iron_proxy.streams.socket_stream import SocketStream

# A connection comes back within milliseconds of being opened, so the newest are enough: with 4,096 this holds for
# hundreds of thousands of dials a second, in less than a megabyte.
REMEMBERED = 4096

# Local address and port, remote address and port. The whole of it: a local port alone is shared by many connections.
_Ends = tuple[str, int, str, int]


class RecentDials:
    """Bounded; the oldest entry makes room. An entry that outlives its connection does no harm: see `_Ends`."""

    def __init__(self) -> None:
        self._ends: dict[_Ends, None] = {}

    def note(self, stream: SocketStream) -> None:
        """Remember a connection that was just opened."""
        local, remote = stream.extra("sockname"), stream.extra("peername")
        if local is None or remote is None:      # it is gone already
            return
        self._ends[_ends(local, remote)] = None
        if len(self._ends) > REMEMBERED:
            del self._ends[next(iter(self._ends))]

    def is_own(self, client: Any, destination: tuple[str, int]) -> bool:
        """Whether a connection from `client` (a socket address) that was meant for `destination` is one of ours."""
        return client is not None and _ends(client, destination) in self._ends


def _ends(local: Any, remote: Any) -> _Ends:
    return _plain(local[0]), local[1], _plain(remote[0]), remote[1]


def _plain(host: str) -> str:
    """Without what a dual-stack socket puts before an IPv4 address, and without a zone."""
    if host.startswith("::ffff:") and "." in host:
        return host[7:]
    return host.partition("%")[0]
