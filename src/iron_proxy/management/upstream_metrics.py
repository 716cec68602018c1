"""What is counted of upstreams and their connections: the observer of a `MeasuredPool`. Outlives reloads."""

from collections.abc import Callable

import msgspec

from iron_proxy.management.request_metrics import DURATION_BOUNDS, Histogram


class UpstreamCounts(msgspec.Struct):
    """All that was counted, to be sent to another process."""

    answers: list[int]
    answers_total: float
    connects: list[int]
    connects_total: float
    taken_new: int
    taken_reused: int
    handshakes: dict[str, int]
    failed_handshakes: int
    failed_connects: int


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

    # --- of several processes ---------------------------------------------------------------------------------------

    def counts(self) -> UpstreamCounts:
        """Everything, for `add`."""
        return UpstreamCounts(
            self.answers.counts,
            self.answers.total,
            self.connects.counts,
            self.connects.total,
            self.taken_new,
            self.taken_reused,
            self.handshakes,
            self.failed_handshakes,
            self.failed_connects,
        )

    def add(self, other: UpstreamCounts) -> None:
        """Count what another process has counted."""
        self.answers.add_all(other.answers, other.answers_total)
        self.connects.add_all(other.connects, other.connects_total)
        self.taken_new += other.taken_new
        self.taken_reused += other.taken_reused
        for version, count in other.handshakes.items():
            self.handshakes[version] = self.handshakes.get(version, 0) + count
        self.failed_handshakes += other.failed_handshakes
        self.failed_connects += other.failed_connects
