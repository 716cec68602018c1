"""
Samples in, single numbers out: medians over the rounds, how far the rounds lay apart, ratios to another arm. Pure.

None everywhere means "was not measured"; it is never turned into a zero.
"""

import statistics

from bench.results import Result


def over_rounds(result: Result, workload: str, arm: str, figure: str) -> list[float]:
    """The figure in every round in which it was taken."""
    return [
        sample.figures[figure]
        for sample in result.samples
        if sample.workload == workload and sample.arm == arm and figure in sample.figures
    ]


def median(result: Result, workload: str, arm: str, figure: str) -> float | None:
    """The middle round, which one disturbed round does not move."""
    values = over_rounds(result, workload, arm, figure)
    return statistics.median(values) if values else None


def spread(result: Result, workload: str, arm: str, figure: str) -> float | None:
    """Best to worst round as a share of the median: what a difference must exceed before it means anything."""
    values = over_rounds(result, workload, arm, figure)
    if len(values) < 2 or not (middle := statistics.median(values)):
        return None
    return (max(values) - min(values)) / middle


def ratio(result: Result, workload: str, arm: str, figure: str, to: str) -> float | None:
    """The arm's median as a multiple of another arm's, both from this run."""
    value = median(result, workload, arm, figure)
    unit = median(result, workload, to, figure)
    return value / unit if value is not None and unit else None


def difference(result: Result, workload: str, arm: str, figure: str, to: str) -> float | None:
    """How much more than another arm, in the figure's own unit."""
    value = median(result, workload, arm, figure)
    other = median(result, workload, to, figure)
    return value - other if value is not None and other is not None else None


def interleaved(arms: list[str], rounds: int) -> list[tuple[int, str]]:
    """
    Who is measured when: every arm once per round, and each round begins one arm later.

    What changes slowly (heat, a neighbour's load) then falls on all arms alike, and nobody always follows the same
    other one.
    """
    order = []
    for number in range(rounds):
        first = number % max(1, len(arms))
        order += [(number, arm) for arm in arms[first:] + arms[:first]]
    return order
