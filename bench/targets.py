"""
The table of targets, and how far this run came. Pure.

A target compares iron-proxy with another arm of the same run, or with a fixed limit where the work does not depend on
the machine's speed alone. One that fails is shown as missed; one that was not measured says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from bench.arms import BASE, REFERENCE, IronProxy
from bench.figures import difference, median, ratio
from bench.results import Result
from bench.workloads import ONE_CONNECTION, SMALL_TLS, START, UNTOUCHED

OURS = IronProxy.name


class Verdict(Enum):
    """What became of a target."""

    REACHED = "reached"
    MISSED = "MISSED"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of ours and the bound it has to keep, both in `unit`."""

    work: str
    bound: float
    unit: str
    is_upper_bound: bool
    measured: Callable[[Result], float | None]

    def verdict(self, result: Result) -> Verdict:
        """Whether the run reached it."""
        value = self.measured(result)
        if value is None:
            return Verdict.NOT_MEASURED
        is_kept = value <= self.bound if self.is_upper_bound else value >= self.bound
        return Verdict.REACHED if is_kept else Verdict.MISSED


def _at_most(work: str, bound: float, unit: str, measured: Callable[[Result], float | None]) -> Target:
    return Target(work, bound, unit, True, measured)


def _at_least(work: str, bound: float, unit: str, measured: Callable[[Result], float | None]) -> Target:
    return Target(work, bound, unit, False, measured)


TARGETS: tuple[Target, ...] = (
    _at_most(
        "small GET, TLS both sides, 32 connections: CPU per request",
        2.0,
        "× nginx",
        lambda result: ratio(result, SMALL_TLS.name, OURS, "cpu_us_per_request", REFERENCE),
    ),
    _at_least(
        "100 MB download, body untouched: rate",
        1.0,
        "× nginx",
        lambda result: ratio(result, UNTOUCHED.name, OURS, "megabytes_per_second", REFERENCE),
    ),
    _at_most(
        "added latency at 1 connection, p50",
        0.15,
        "ms",
        lambda result: difference(result, ONE_CONNECTION.name, OURS, "latency_p50_ms", BASE),
    ),
    _at_most(
        "added latency at 1 connection, p99",
        0.5,
        "ms",
        lambda result: difference(result, ONE_CONNECTION.name, OURS, "latency_p99_ms", BASE),
    ),
    _at_most("start to first answer", 500, "ms", lambda result: median(result, START, OURS, "first_answer_ms")),
    _at_most(
        "resident memory, idle, one worker", 60, "MiB", lambda result: median(result, START, OURS, "resident_mib")
    ),
)
