"""A run on the terminal: its tables, what to know about them, and the gate's comparison."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from bench.docs_page import notes
from bench.gate import ALLOWED, Baseline, Comparison
from bench.results import Result
from bench.tables import NOTHING, Table, tables

# A pipe has no width: tables are not squeezed into the 80 columns that are assumed then.
PIPE_WIDTH = 140
# Fits every target; the reason of a failure is folded.
NAME_WIDTH = 60


def show(result: Result) -> None:
    """Print the tables and what to know about them."""
    console = _console()
    for table in tables(result):
        console.print(_rich(table))
    for note in notes(result):
        console.print(f"note: {note}", markup=False)


def show_comparisons(baseline: Baseline, compared: Sequence[Comparison]) -> None:
    """Print every ratio of the baseline, this run's, and which of them fail the gate."""
    rows = tuple(_comparison_row(each) for each in compared)
    title = f"Gate: ratios to nginx against {baseline.date}, commit {baseline.commit}"
    _console().print(_rich(Table(title, ("figure", "baseline", "now", "times worse", "verdict"), rows)))
    failing = sum(each.fails for each in compared)
    print(f"{failing} of {len(compared)} ratios are worse by more than {ALLOWED - 1:.0%} or were not measured.")


def _comparison_row(each: Comparison) -> tuple[str, ...]:
    now = NOTHING if each.now is None else f"{each.now:.2f}"
    worsening = NOTHING if each.worsening is None else f"{each.worsening:.2f}"
    verdict = "not measured" if each.now is None else "WORSE" if each.fails else "kept"
    return (f"{each.workload}: {each.figure}", f"{each.before:.2f}", now, worsening, verdict)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def _rich(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left", box=box.SIMPLE_HEAD)
    for number, heading in enumerate(table.headings):
        if number:
            shown.add_column(heading, justify="right", no_wrap=heading != "verdict")
        else:
            shown.add_column(heading, overflow="fold", max_width=NAME_WIDTH)
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))  # Text: a reason may hold what rich takes for markup
    return shown
