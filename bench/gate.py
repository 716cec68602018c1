"""
The regression gate: this run's ratios to nginx against those of the baseline. Pure.

Ratios, because both sides of one are measured in the same minutes on the same machine. A baseline from another machine
is refused all the same: processors differ in what they are good at.
"""

from dataclasses import dataclass

import msgspec

from bench.arms import REFERENCE
from bench.errors import CannotBenchmark
from bench.figures import ratio
from bench.groups import proxies
from bench.iron_proxy import NAME as OURS
from bench.results import Machine, Result
from bench.workloads import ONE_CONNECTION

# A ratio may be this many times worse. Half of it is what two quiet runs differ by.
ALLOWED = 1.25
# Figures that are compared: whether more is worse.
_MORE_IS_WORSE = {
    "cpu_us_per_request": True,
    "cpu_ms_per_100_mb": True,
    "megabytes_per_second": False,
}
# Latency is compared where nothing queues: with 32 connections it is the throughput once more.
_OF_ONE_CONNECTION = {"latency_p50_ms": True}

Ratios = dict[str, dict[str, float]]


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `bench/baseline.json` holds: ratios to nginx by workload and figure, and where they come from."""

    date: str
    commit: str
    cpu: str
    cores: int
    ratios: Ratios


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure. `now` is None when this run did not measure it, which fails the gate as well."""

    workload: str
    figure: str
    before: float
    now: float | None

    @property
    def worsening(self) -> float | None:
        """How many times worse the ratio is: 1.0 is the same, below 1.0 is better."""
        if self.now is None:
            return None
        return self.now / self.before if is_more_worse(self.figure) else self.before / self.now

    @property
    def fails(self) -> bool:
        """Whether it got worse by more than is allowed, or went missing."""
        return self.worsening is None or self.worsening > ALLOWED


def is_more_worse(figure: str) -> bool:
    """Whether a larger value of the figure is a worse one."""
    return (_MORE_IS_WORSE | _OF_ONE_CONNECTION)[figure]


def ratios_of(result: Result) -> Ratios:
    """Every ratio of ours to nginx that the run has."""
    found: Ratios = {}
    for workload in proxies().workloads:
        figures = _MORE_IS_WORSE | (_OF_ONE_CONNECTION if workload is ONE_CONNECTION else {})
        for figure in figures:
            value = ratio(result, workload.name, OURS, figure, REFERENCE)
            if value:
                found.setdefault(workload.name, {})[figure] = value
    return found


def baseline_of(result: Result) -> Baseline:
    """The run as a baseline. Raises CannotBenchmark when it has no ratio at all."""
    ratios = ratios_of(result)
    if not ratios:
        raise CannotBenchmark("this run has no ratio to nginx: nothing to make a baseline of")
    return Baseline(result.date, result.commit, result.machine.cpu, result.machine.cores, ratios)


def parse_baseline(content: bytes, name: str) -> Baseline:
    """Read a baseline. Raises CannotBenchmark, with the place and the remedy, when it is none."""
    try:
        found = msgspec.json.decode(content, type=Baseline)
    except msgspec.DecodeError as error:
        raise CannotBenchmark(f"{name}: {error}; remedy: make bench-baseline writes a new one") from error
    for workload, figures in found.ratios.items():
        for figure, value in figures.items():
            if figure not in _MORE_IS_WORSE | _OF_ONE_CONNECTION:
                raise CannotBenchmark(f"{name}: ratios.{workload}.{figure}: not a figure; remedy: make bench-baseline")
            if not value > 0:
                raise CannotBenchmark(f"{name}: ratios.{workload}.{figure}: {value} is not above 0; see bench-baseline")
    if not found.ratios:
        raise CannotBenchmark(f"{name}: ratios: there is none; remedy: make bench-baseline writes a new one")
    return found


def check_machine(baseline: Baseline, machine: Machine) -> None:
    """Raise CannotBenchmark when the baseline was measured on another kind of machine."""
    if (baseline.cpu, baseline.cores) != (machine.cpu, machine.cores):
        raise CannotBenchmark(
            f"the baseline is from {baseline.cpu}, {baseline.cores} cores; this is {machine.cpu}, {machine.cores} "
            "cores: their ratios do not compare; remedy: make bench-baseline here, at the commit to compare with"
        )


def compare(baseline: Baseline, ratios: Ratios) -> list[Comparison]:
    """Every figure of the baseline with this run's. What only this run has is not looked at."""
    return [
        Comparison(workload, figure, before, ratios.get(workload, {}).get(figure))
        for workload, figures in baseline.ratios.items()
        for figure, before in figures.items()
    ]
