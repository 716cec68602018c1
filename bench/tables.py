"""
A run as tables of text, one per kind of figure. Pure; the terminal and the page in `docs/` show the same ones.

`—` is a figure that this arm cannot have (the direct one has no process); a failure puts its reason behind the name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import groups
from bench.arms import BASE, REFERENCE
from bench.figures import difference, median, ratio, spread
from bench.groups import Group
from bench.results import PROXIES, ArmDescription, Result
from bench.targets import TARGETS
from bench.workloads import (
    AFTER_LOAD,
    DNS_INTERCEPT,
    DNS_REFUSED,
    IDLE,
    MANY_STREAMS,
    MIDDLE_TLS,
    NEW_NAMES,
    ONE_CONNECTION,
    RULES_TOGETHER,
    SCRUBBED,
    SMALL_PLAIN,
    SMALL_TLS,
    START,
    UNARY_CALLS,
    UNTOUCHED,
    UPLOADED,
    VARIED_TLS,
    Workload,
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


@dataclass(frozen=True, slots=True)
class Layout:
    """A table before it is filled: which workload of which group, and the columns."""

    group: str
    workload: str
    title: str
    columns: Sequence[Column]


def tables(result: Result) -> list[Table]:
    """Every table that this run has figures or failures for."""
    measured = {sample.workload for sample in result.samples} | {failure.workload for failure in result.failures}
    shown = [_table(result, layout) for layout in _layouts() if layout.workload in measured]
    return [*shown, _target_table(result)]


def _layouts() -> list[Layout]:
    def of(workload: Workload, columns: Sequence[Column], group: str = PROXIES) -> Layout:
        return Layout(group, workload.name, workload.title, columns)

    return [
        *(of(load, _REQUEST_COLUMNS) for load in (SMALL_TLS, VARIED_TLS, SMALL_PLAIN, MIDDLE_TLS)),
        of(UNARY_CALLS, _UNARY_COLUMNS),
        of(ONE_CONNECTION, _LATENCY_COLUMNS),
        *(of(load, _DOWNLOAD_COLUMNS) for load in (UNTOUCHED, SCRUBBED)),
        of(UPLOADED, _UPLOAD_COLUMNS, groups.SCAN.name),
        of(DNS_INTERCEPT, _DNS_COLUMNS, groups.DNS[0].name),
        of(DNS_REFUSED, _DNS_COLUMNS, groups.DNS[1].name),
        *(of(curve.workloads[0], _curve_columns(curve), curve.name) for curve in groups.CURVES),
        of(RULES_TOGETHER, _curve_columns(groups.TOGETHER), groups.TOGETHER.name),
        of(MANY_STREAMS, _UNARY_COLUMNS, groups.STREAMS.name),
        of(NEW_NAMES, _NAMES_COLUMNS, groups.NAMES.name),
        of(IDLE, _IDLE_COLUMNS, groups.HELD.name),
        Layout(PROXIES, START, "Start and memory", _START_COLUMNS),
    ]


def _table(result: Result, layout: Layout) -> Table:
    headings = ("proxy", *(column.heading for column in layout.columns))
    arms = [arm for arm in result.arms if arm.group == layout.group]
    return Table(layout.title, headings, tuple(_row(result, layout, arm) for arm in arms))


def _row(result: Result, layout: Layout, arm: ArmDescription) -> tuple[str, ...]:
    for failure in result.failures:
        if failure.arm == arm.name and failure.workload in (None, layout.workload):
            said = "failed" if failure.is_fault else "not measured"
            return (f"{arm.title}: {said}: {failure.reason}", *[NOTHING] * len(layout.columns))
    return (arm.title, *(column.cell(result, layout.workload, arm.name) for column in layout.columns))


def _target_table(result: Result) -> Table:
    rows = []
    for target in TARGETS:
        bound = f"at {'most' if target.is_upper_bound else 'least'} {_short(target.bound)} {target.unit}"
        value = target.measured(result)
        measured = NOTHING if value is None else f"{_short(value)} {target.unit}"
        obstacle = target.obstacle(result)
        verdict = target.verdict(result).value + (f": {obstacle}" if obstacle else "")
        rows.append((target.work, bound, measured, verdict))
    return Table("Targets", ("target", "bound", "measured", "verdict"), tuple(rows))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _number(value: float | None, decimals: int) -> str:
    return NOTHING if value is None else f"{value:,.{decimals}f}"


def _median(heading: str, figure: str, decimals: int) -> Column:
    return Column(heading, lambda result, workload, arm: _number(median(result, workload, arm, figure), decimals))


def _times_reference(figure: str) -> Column:
    return _times(figure, REFERENCE, REFERENCE)


def _times(figure: str, other: str, shown: str) -> Column:
    def cell(result: Result, workload: str, arm: str) -> str:
        return _number(ratio(result, workload, arm, figure, other), 2)

    return Column(f"× {shown}", cell)


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
_UNARY_COLUMNS = (
    _median("CPU µs/request", "cpu_us_per_request", 1),
    _times_reference("cpu_us_per_request"),
    _spread("cpu_us_per_request"),
    _median("requests/s", "requests_per_second", 0),
    _median("mean ms", "latency_mean_ms", 2),
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
    _median("memory growth MiB", "growth_mib", 1),
)
_UPLOAD_COLUMNS = (
    _median("MB/s", "megabytes_per_second", 0),
    _times("megabytes_per_second", groups.UNSCANNED.name, "untouched"),
    _spread("megabytes_per_second"),
    _median("CPU ms/100 MB", "cpu_ms_per_100_mb", 0),
)
_DNS_COLUMNS = (
    _median("answers/s", "answers_per_second", 0),
    _median("CPU µs/answer", "cpu_us_per_answer", 1),
    _median("answers in a CPU second", "answers_per_cpu_second", 0),
    _spread("cpu_us_per_answer"),
    _median("lost", "lost", 0),
)
_NAMES_COLUMNS = (
    _median("CPU ms, known name", "cpu_ms_per_known_name", 2),
    _median("CPU ms, new name", "cpu_ms_per_new_name", 2),
    _median("new names", "names", 0),
    _median("new names/s", "names_per_second", 0),
    _median("CPU s for 50,000", "cpu_seconds_for_all", 0),
    _median("memory growth MiB", "growth_mib", 1),
)
_IDLE_COLUMNS = (
    _median("connections", "connections", 0),
    _median("KiB each", "kib_per_connection", 1),
    _median("CPU µs/request alone", "cpu_us_alone", 1),
    _median("beside them", "cpu_us_beside", 1),
    _median("p99 ms alone", "latency_p99_ms_alone", 2),
    _median("beside them", "latency_p99_ms_beside", 2),
)
_START_COLUMNS = (
    _median("first answer ms", "first_answer_ms", 0),
    _median("idle MiB", "resident_mib", 1),
    Column("after load MiB", lambda result, _, arm: _number(median(result, AFTER_LOAD, arm, "resident_mib"), 1)),
    _median("CA key read ms", "key_read_ms", 0),
)


def _curve_columns(curve: Group) -> Sequence[Column]:
    first = curve.arms[0]
    return (
        _median("CPU µs/request", "cpu_us_per_request", 1),
        _times("cpu_us_per_request", first.name, first.title if curve.name != groups.TOGETHER.name else "one of each"),
        _spread("cpu_us_per_request"),
        _median("requests/s", "requests_per_second", 0),
    )
