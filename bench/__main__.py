"""
`python -m bench`: argv in, tables out, exit status.

Progress goes to stderr, tables to stdout, all rounds to `bench/results/`. Status 0 when every arm did everything,
1 when something could not be measured (the rest is shown all the same), 2 for a wrong option.
"""

import sys

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from bench import interrupts, machine, results_file
from bench.arms import ARMS
from bench.docs_page import docs_page, notes
from bench.errors import CannotBenchmark
from bench.options import Options, parse_options
from bench.results import Result
from bench.run import measure
from bench.tables import Table, tables
from bench.workloads import QUICK_WORKLOADS, WORKLOADS

DOCS_PAGE = machine.ROOT / "docs" / "reference" / "benchmarks.md"
# A pipe has no width: tables are not squeezed into the 80 columns that are assumed then.
PIPE_WIDTH = 140
# Fits every target; the reason of a failure is folded.
NAME_WIDTH = 60


def main() -> int:
    """Run what the options say; the caller exits with the status."""
    options = parse_options(sys.argv[1:])
    interrupts.install()
    try:
        machine.check_tools()
        result = _measure(options)
        path = results_file.save(result)
        show(result)
        print(f"\nAll rounds: {path.relative_to(machine.ROOT)}")
        if options.write_docs:
            DOCS_PAGE.parent.mkdir(parents=True, exist_ok=True)
            DOCS_PAGE.write_text(docs_page(result))
            print(f"Written: {DOCS_PAGE.relative_to(machine.ROOT)}")
        if options.keep:
            results_file.keep(path)
    except CannotBenchmark as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been stopped", file=sys.stderr)
        return 130
    return 1 if result.failures else 0


def _measure(options: Options) -> Result:
    arms = [arm for arm in ARMS if options.arm is None or arm.name in options.arm]
    workloads = QUICK_WORKLOADS if options.quick else WORKLOADS
    if options.workload is not None:
        workloads = tuple(workload for workload in WORKLOADS if workload.name in options.workload)
    settings = machine.settings(options.rounds, options.seconds)
    return measure(arms, workloads, settings, lambda line: print(line, file=sys.stderr, flush=True))


def show(result: Result) -> None:
    """Print the tables and what to know about them."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    for table in tables(result):
        console.print(_rich(table))
    for note in notes(result):
        console.print(f"note: {note}", markup=False)


def _rich(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left", box=box.SIMPLE_HEAD)
    for number, heading in enumerate(table.headings):
        if number:
            shown.add_column(heading, justify="right", no_wrap=True)
        else:
            shown.add_column(heading, overflow="fold", max_width=NAME_WIDTH)
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))  # Text: a reason may hold what rich takes for markup
    return shown


if __name__ == "__main__":
    sys.exit(main())
