"""
Budgets for frames that cost the sender nothing and us some work. No clock: the caller says what time it is.

A budget allows so many at once and so many more each second; who overspends loses the connection. What is bounded by
memory instead (windows, heads, streams) is counted where it is kept, in `connection.py`.
"""

from iron_proxy.protocols.http2 import limits
from iron_proxy.protocols.http2.frames import ConnectionViolation, ErrorCode


class Budget:
    """So many at once, so many more each second."""

    __slots__ = ("_at", "_burst", "_left", "_per_second", "_reason")

    def __init__(self, allowance: tuple[int, float], reason: str) -> None:
        self._burst, self._per_second = allowance
        self._left = float(self._burst)
        self._at: float | None = None  # when it was last filled
        self._reason = reason

    def spend(self, now: float) -> None:
        """One more. Raises ConnectionViolation when there is nothing left."""
        if self._at is None:
            self._at = now
        if self._left < 1:
            self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._per_second)
            self._at = now
            if self._left < 1:
                raise ConnectionViolation(ErrorCode.ENHANCE_YOUR_CALM, self._reason)
        self._left -= 1

    def earn(self, count: int) -> None:
        """Work of ours that makes so many of the peer's frames legitimate."""
        self._left = min(self._burst, self._left + count)


class FloodGuard:
    """The budgets of one connection. Resets count only where the peer opens the streams: there they cost it nothing."""

    __slots__ = ("idle_frames", "late_frames", "pings", "provoked_resets", "resets", "settings", "window_updates")

    def __init__(self, *, peer_opens_streams: bool) -> None:
        resets, provoked = limits.RESETS, limits.PROVOKED_RESETS
        if not peer_opens_streams:
            resets = provoked = limits.UNLIMITED
        self.resets = Budget(resets, "the peer resets too many streams")
        self.provoked_resets = Budget(provoked, "too many streams had to be refused or reset")
        self.pings = Budget(limits.PINGS, "the peer sends too many PING frames")
        self.settings = Budget(limits.SETTINGS, "the peer sends too many SETTINGS or GOAWAY frames")
        self.window_updates = Budget(limits.WINDOW_UPDATES, "the peer sends too many WINDOW_UPDATE frames")
        self.idle_frames = Budget(limits.IDLE_FRAMES, "the peer sends too many frames without content")
        self.late_frames = Budget(limits.LATE_FRAMES, "the peer sends too many frames on streams that have ended")
