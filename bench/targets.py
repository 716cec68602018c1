"""
The table of targets, and how far this run came. Pure.

A target compares iron-proxy with another arm of the same run, or with a fixed limit where the work does not depend on
the machine's speed alone. One that fails is shown as missed; one that was not measured says so, and why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from bench import groups
from bench.arms import BASE, NGINX, TWO_WORKERS
from bench.figures import difference, median, ratio
from bench.iron_proxy import NAME as OURS
from bench.results import Result
from bench.rivals.envoy import Envoy
from bench.rivals.mitmproxy import Mitmproxy
from bench.rivals.squid import Squid
from bench.workloads import (
    DNS_INTERCEPT,
    DNS_REFUSED,
    IDLE,
    ONE_CONNECTION,
    RULES_TOGETHER,
    SMALL_PLAIN,
    SMALL_TLS,
    START,
    UNARY_CALLS,
    UNTOUCHED,
    UPLOADED,
)

# What `--rival` calls the Go program that this one stands in for, so that it is held against it.
UPSTREAM = "iron-proxy-go"

Measured = Callable[[Result], float | None]
# A reason why a run cannot tell, or None.
Obstacle = Callable[[Result], str | None]


class Verdict(Enum):
    """What became of a target."""

    REACHED = "reached"
    MISSED = "MISSED"
    NOT_MEASURED = "not measured"


def _nothing(_result: Result) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of ours and the bound it has to keep, both in `unit`."""

    work: str
    bound: float
    unit: str
    is_upper_bound: bool
    measured: Measured
    # What keeps a figure from meaning anything on this machine; the figure is shown all the same.
    obstacle: Obstacle = _nothing

    def verdict(self, result: Result) -> Verdict:
        """Whether the run reached it."""
        value = self.measured(result)
        if value is None or self.obstacle(result) is not None:
            return Verdict.NOT_MEASURED
        is_kept = value <= self.bound if self.is_upper_bound else value >= self.bound
        return Verdict.REACHED if is_kept else Verdict.MISSED


def _at_most(work: str, bound: float, unit: str, measured: Measured) -> Target:
    return Target(work, bound, unit, True, measured)


def _at_least(work: str, bound: float, unit: str, measured: Measured, obstacle: Obstacle = _nothing) -> Target:
    return Target(work, bound, unit, False, measured, obstacle)


def _times(workload: str, figure: str, other: str, ours: str = OURS) -> Measured:
    return lambda result: ratio(result, workload, ours, figure, other)


def _added(figure: str) -> Measured:
    return lambda result: difference(result, ONE_CONNECTION.name, OURS, figure, BASE)


def _own(workload: str, figure: str, arm: str = OURS) -> Measured:
    return lambda result: median(result, workload, arm, figure)


def _beside_idle(figure: str) -> Measured:
    def measured(result: Result) -> float | None:
        beside = median(result, IDLE.name, OURS, f"{figure}_beside")
        alone = median(result, IDLE.name, OURS, f"{figure}_alone")
        return beside / alone if beside is not None and alone else None

    return measured


def _too_few_connections(result: Result) -> str | None:
    held = median(result, IDLE.name, OURS, "connections")
    return None if held is None or held >= IDLE.count else f"only {held:,.0f} connections: too few descriptors"


def _too_few_cores(result: Result) -> str | None:
    if result.settings.second_proxy_core is not None:
        return None
    return "needs four cores: two for the workers, others for origin and load generator"


_CPU = "cpu_us_per_request"
TARGETS: tuple[Target, ...] = (
    _at_most("small GET over TLS: CPU per request", 2.0, "× nginx", _times(SMALL_TLS.name, _CPU, NGINX.name)),
    _at_most("small GET over TLS: CPU per request", 1.0, "× Envoy", _times(SMALL_TLS.name, _CPU, Envoy.name)),
    _at_most("small GET over TLS: CPU per request", 0.25, f"× {UPSTREAM}", _times(SMALL_TLS.name, _CPU, UPSTREAM)),
    _at_most("small GET over TLS: CPU per request", 0.05, "× mitmproxy", _times(SMALL_TLS.name, _CPU, Mitmproxy.name)),
    _at_most("small GET over plain HTTP: CPU per request", 1.0, "× Squid", _times(SMALL_PLAIN.name, _CPU, Squid.name)),
    _at_least(
        "100 MB download, body untouched: rate", 1.0, "× nginx",
        _times(UNTOUCHED.name, "megabytes_per_second", NGINX.name),
    ),
    # A body that was held would need a hundred.
    _at_most("100 MB download: memory growth", 10, "MiB", _own(UNTOUCHED.name, "growth_mib")),
    _at_least(
        "100 MB body scanned by `match_body`, nothing found: rate", 0.6, "× untouched",
        _times(UPLOADED.name, "megabytes_per_second", groups.UNSCANNED.name, groups.SCANNED.name),
    ),
    _at_most("unary call over HTTP/2: CPU per request", 3.0, "× Envoy", _times(UNARY_CALLS.name, _CPU, Envoy.name)),
    _at_most("added latency at 1 connection, p50", 0.15, "ms", _added("latency_p50_ms")),
    _at_most("added latency at 1 connection, p99", 0.5, "ms", _added("latency_p99_ms")),
    Target(
        "10,000 idle TLS connections: memory of one", 40, "KiB", True, _own(IDLE.name, "kib_per_connection"),
        _too_few_connections,
    ),
    _at_most("CPU per request beside them", 1.1, "× without them", _beside_idle("cpu_us")),
    _at_least(
        "DNS answers, not audited, in a CPU second", 100_000, "answers",
        _own(DNS_INTERCEPT.name, "answers_per_cpu_second", groups.INTERCEPTING.name),
    ),
    _at_least(
        "DNS refusals, recorded or counted, in a CPU second", 50_000, "answers",
        _own(DNS_REFUSED.name, "answers_per_cpu_second", groups.STRICT.name),
    ),
    _at_least(
        "two workers: requests per second", 1.8, "× one worker",
        _times(SMALL_TLS.name, "requests_per_second", OURS, TWO_WORKERS.name), _too_few_cores,
    ),
    _at_most(
        "10,000 exact hosts, 1,000 wildcards, 100 secrets: CPU per request", 1.1, "× one of each",
        _times(RULES_TOGETHER.name, _CPU, groups.ONE_OF_EACH.name, groups.MANY_OF_EACH.name),
    ),
    _at_most("start to first answer", 500, "ms", _own(START, "first_answer_ms")),
    _at_most("CA key read after exec", 300, "ms", _own(START, "key_read_ms")),
    _at_most("resident memory, idle, one worker", 60, "MiB", _own(START, "resident_mib")),
)  # fmt: skip
