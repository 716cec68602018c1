"""
A run as tables of text, one per kind of figure. Pure; the terminal and the page in `docs/` show the same ones.

`—` is a figure that this arm cannot have (the direct one has no process); a failure puts its reason behind the name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.arms import BASE, REFERENCE
from bench.figures import difference, median, ratio, spread
from bench.results import ArmDescription, Result
from bench.targets import TARGETS
from bench.workloads import (
    AFTER_LOAD,
    MIDDLE_TLS,
    ONE_CONNECTION,
    SCRUBBED,
    SMALL_PLAIN,
    SMALL_TLS,
    START,
    UNTOUCHED,
    VARIED_TLS,
)

NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the headings, and rows of as many cells. The first column is text, the others are numbers."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


# The text of one cell, by result, workload and arm.
Cell = Callable[[Result, str, str], str]


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and what stands below it."""

    heading: str
    cell: Cell


def tables(result: Result) -> list[Table]:
    """Every table that this run has figures or failures for."""
    layouts: list[tuple[str, str, Sequence[Column]]] = [
        *((load.name, load.title, _REQUEST_COLUMNS) for load in (SMALL_TLS, VARIED_TLS, SMALL_PLAIN, MIDDLE_TLS)),
        (ONE_CONNECTION.name, ONE_CONNECTION.title, _LATENCY_COLUMNS),
        *((load.name, load.title, _DOWNLOAD_COLUMNS) for load in (UNTOUCHED, SCRUBBED)),
        (START, "Start and memory", _START_COLUMNS),
    ]
    measured = {sample.workload for sample in result.samples} | {failure.workload for failure in result.failures}
    shown = [_table(result, workload, title, columns) for workload, title, columns in layouts if workload in measured]
    return [*shown, _target_table(result)]


def _table(result: Result, workload: str, title: str, columns: Sequence[Column]) -> Table:
    headings = ("proxy", *(column.heading for column in columns))
    return Table(title, headings, tuple(_row(result, workload, arm, columns) for arm in result.arms))


def _row(result: Result, workload: str, arm: ArmDescription, columns: Sequence[Column]) -> tuple[str, ...]:
    for failure in result.failures:
        if failure.arm == arm.name and failure.workload in (None, workload):
            return (f"{arm.title}: failed: {failure.reason}", *[NOTHING] * len(columns))
    return (arm.title, *(column.cell(result, workload, arm.name) for column in columns))


def _target_table(result: Result) -> Table:
    rows = []
    for target in TARGETS:
        bound = f"at {'most' if target.is_upper_bound else 'least'} {target.bound:g} {target.unit}"
        value = target.measured(result)
        measured = NOTHING if value is None else f"{value:.3g} {target.unit}"
        rows.append((target.work, bound, measured, target.verdict(result).value))
    return Table("Targets", ("target", "bound", "measured", "verdict"), tuple(rows))


def _number(value: float | None, decimals: int) -> str:
    return NOTHING if value is None else f"{value:,.{decimals}f}"


def _median(heading: str, figure: str, decimals: int) -> Column:
    return Column(heading, lambda result, workload, arm: _number(median(result, workload, arm, figure), decimals))


def _times_reference(figure: str) -> Column:
    def cell(result: Result, workload: str, arm: str) -> str:
        return _number(ratio(result, workload, arm, figure, REFERENCE), 2)

    return Column(f"× {REFERENCE}", cell)


def _added(heading: str, figure: str) -> Column:
    def cell(result: Result, workload: str, arm: str) -> str:
        return NOTHING if arm == BASE else _number(difference(result, workload, arm, figure, BASE), 3)

    return Column(heading, cell)


def _spread(figure: str) -> Column:
    def cell(result: Result, workload: str, arm: str) -> str:
        share = spread(result, workload, arm, figure)
        return NOTHING if share is None else f"{share:.0%}"

    return Column("spread", cell)


_REQUEST_COLUMNS = (
    _median("CPU µs/request", "cpu_us_per_request", 1),
    _times_reference("cpu_us_per_request"),
    _spread("cpu_us_per_request"),
    _median("requests/s", "requests_per_second", 0),
    _median("p50 ms", "latency_p50_ms", 2),
    _median("p99 ms", "latency_p99_ms", 2),
)
_LATENCY_COLUMNS = (
    _median("p50 ms", "latency_p50_ms", 3),
    _added("added p50", "latency_p50_ms"),
    _median("p99 ms", "latency_p99_ms", 3),
    _added("added p99", "latency_p99_ms"),
    _spread("latency_p50_ms"),
)
_DOWNLOAD_COLUMNS = (
    _median("MB/s", "megabytes_per_second", 0),
    _times_reference("megabytes_per_second"),
    _spread("megabytes_per_second"),
    _median("CPU ms/100 MB", "cpu_ms_per_100_mb", 0),
)
_START_COLUMNS = (
    _median("first answer ms", "first_answer_ms", 0),
    _median("idle MiB", "resident_mib", 1),
    Column("after load MiB", lambda result, _, arm: _number(median(result, AFTER_LOAD, arm, "resident_mib"), 1)),
    Column("peak MiB", lambda result, _, arm: _number(median(result, AFTER_LOAD, arm, "peak_mib"), 1)),
)
