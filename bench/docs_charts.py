"""Which charts the page in `docs/` shows, drawn from a run. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench import groups
from bench.charts import Bar, bar_chart, line_chart
from bench.figures import median
from bench.iron_proxy import NAME as OURS
from bench.iron_proxy import WORKERS_NAME
from bench.results import PROXIES, Result
from bench.workloads import MIDDLE_TLS, SMALL_PLAIN, SMALL_TLS, UNARY_CALLS, UNTOUCHED, Workload


@dataclass(frozen=True, slots=True)
class Chart:
    """A file beside the page, and the text of the table below which it is shown."""

    file: str
    title: str
    svg: str


# Workload, figure, what it is.
_BARS: tuple[tuple[Workload, str, str], ...] = (
    (SMALL_TLS, "cpu_us_per_request", "CPU µs per request, less is better"),
    (SMALL_PLAIN, "cpu_us_per_request", "CPU µs per request, less is better"),
    (MIDDLE_TLS, "cpu_us_per_request", "CPU µs per request, less is better"),
    (UNARY_CALLS, "cpu_us_per_request", "CPU µs per request, less is better"),
    (UNTOUCHED, "megabytes_per_second", "MB/s, more is better"),
)


def charts(result: Result) -> list[Chart]:
    """Those that this run has figures for."""
    found = []
    for workload, figure, unit in _BARS:
        if bars := _bars(result, workload.name, figure):
            found.append(Chart(f"{workload.name}.svg", workload.title, bar_chart(workload.title, unit, bars)))
    series = {label: points for label, points in _curves(result).items() if points}
    if series:
        title = "Cost by the number of rules"
        unit = "CPU µs per request, small GET, TLS in and out"
        found.append(Chart("scale.svg", title, line_chart(title, unit, series)))
    return found


def _bars(result: Result, workload: str, figure: str) -> Sequence[Bar]:
    rows = [(arm, median(result, workload, arm.name, figure)) for arm in result.arms if arm.group == PROXIES]
    return [Bar(arm.title, value, arm.name in (OURS, WORKERS_NAME)) for arm, value in rows if value is not None]


def _curves(result: Result) -> dict[str, list[tuple[float, float]]]:
    curves = {}
    for curve in groups.CURVES:
        points = []
        for arm in curve.arms:
            value = median(result, curve.workloads[0].name, arm.name, "cpu_us_per_request")
            if value is not None:
                points.append((float(arm.name.rpartition("-")[2]), value))
        curves[curve.name.removeprefix("scale-").replace("-", " ")] = points
    return curves
