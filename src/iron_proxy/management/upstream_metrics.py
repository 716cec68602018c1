"""What is counted of upstreams and their connections: the observer of a `MeasuredPool`. Outlives reloads."""

from collections.abc import Callable

from iron_proxy.management.request_metrics import DURATION_BOUNDS, Histogram


class UpstreamMetrics:
    """See `Observer`; the rest is read at a scrape, in the same thread. `handshakes` are by version of TLS."""

    def __init__(self) -> None:
        self.answers = Histogram(DURATION_BOUNDS)
        self.connects = Histogram(DURATION_BOUNDS)
        self.answered: Callable[[float], None] = self.answers.add
        self.taken_new = self.taken_reused = 0
        self.handshakes: dict[str, int] = {}
        self.failed_handshakes = self.failed_connects = 0

    def connected(self, milliseconds: float, tls_version: str) -> None:
        """Count a connection that was opened."""
        self.connects.add(milliseconds)
        if tls_version:
            self.handshakes[tls_version] = self.handshakes.get(tls_version, 0) + 1

    def not_connected(self, *, by_handshake: bool) -> None:
        """Count one that was not."""
        if by_handshake:
            self.failed_handshakes += 1
        else:
            self.failed_connects += 1
