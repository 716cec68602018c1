"""
Does a series grow? The median of the slopes between all pairs of points (Theil and Sen), after a warm-up.

Up to 29 % of the points may be anything at all without moving it far: a pause of the machine, a collection of garbage.
"""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

# The share of a run in which caches fill and pools find their size.
WARM_UP = 0.3
# All pairs of more points than this would take long and tell nothing more.
MAX_POINTS = 400


class Growth(NamedTuple):
    """How a series moved after its warm-up. `expected` is slope times time: what a straight line would have gained."""

    level: float
    expected: float

    def is_within(self, allowed: float, share: float) -> bool:
        """At most `allowed`, or this share of the level, whichever is more. To fall is no leak."""
        return self.expected <= max(allowed, share * self.level)


def growth(seconds: Sequence[float], values: Sequence[float]) -> Growth:
    """The growth of a series of (seconds since the start, value). Raises ValueError without three points to go by."""
    begin = seconds[0] + WARM_UP * (seconds[-1] - seconds[0]) if seconds else 0.0
    points = [(at, value) for at, value in zip(seconds, values, strict=True) if at >= begin]
    points = points[:: max(1, len(points) // MAX_POINTS)]
    if len(points) < 3:
        raise ValueError(f"{len(points)} points after the warm-up do not make a line")
    slopes = [
        (right - left) / (later - sooner)
        for index, (sooner, left) in enumerate(points)
        for later, right in points[index + 1 :]
        if later > sooner
    ]
    return Growth(median(value for _, value in points), median(slopes) * (points[-1][0] - points[0][0]))
