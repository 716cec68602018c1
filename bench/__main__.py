"""
`python -m bench`: argv in, tables out, exit status.

Progress goes to stderr, tables to stdout, all rounds to `bench/results/`. Status 0 when every arm did everything that
it could, 1 when something failed (the rest is shown all the same) or the gate did, 2 for a wrong option.
"""

import sys
from collections.abc import Sequence

from bench import baseline_file, gate, interrupts, machine, results_file
from bench.arms import NGINX, OURS, QUICK_ARMS
from bench.docs_charts import charts
from bench.docs_page import CHARTS_FOLDER, docs_page
from bench.groups import Group, all_groups, narrowed
from bench.options import Options, parse_options
from bench.results import PROXIES, Result
from bench.run import measure
from bench.terminal import show, show_comparisons
from bench.workloads import QUICK_WORKLOADS, STANDARD_WORKLOADS

DOCS_FOLDER = machine.ROOT / "docs" / "reference"


def main() -> int:
    """Run what the options say; the caller exits with the status."""
    options = parse_options(sys.argv[1:])
    return interrupts.run_program(lambda: _run(options))


def _run(options: Options) -> int:
    machine.check_tools()
    machine.allow_many_descriptors()
    baseline = baseline_file.load() if options.gate else None
    if baseline is not None:
        gate.check_machine(baseline, machine.describe_machine())
    settings = machine.settings(options.rounds, options.seconds)
    result = measure(groups_for(options), settings, lambda line: print(line, file=sys.stderr, flush=True))
    path = results_file.save(result)
    show(result)
    print(f"\nAll rounds: {path.relative_to(machine.ROOT)}")
    if options.write_docs:
        _write_docs(result)
    if options.keep:
        results_file.keep(path)
    if options.write_baseline:
        baseline_file.save(gate.baseline_of(result))
        print(f"Written: {baseline_file.FILE.relative_to(machine.ROOT)}")
    is_worse = baseline is not None and _is_worse(baseline, result)
    return 1 if is_worse or any(failure.is_fault for failure in result.failures) else 0


def groups_for(options: Options) -> Sequence[Group]:
    """What the options ask to be measured."""
    if options.gate or options.write_baseline:
        return [Group(PROXIES, (NGINX, OURS), STANDARD_WORKLOADS)]
    if options.quick and options.arm is None and options.workload is None:
        return [Group(PROXIES, (*QUICK_ARMS, *options.rival), QUICK_WORKLOADS, measures_starts=True)]
    return narrowed(all_groups(options.rival), options.workload, options.arm)


def _write_docs(result: Result) -> None:
    folder = DOCS_FOLDER / CHARTS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for chart in charts(result):
        (folder / chart.file).write_text(chart.svg)
    page = DOCS_FOLDER / "benchmarks.md"
    page.write_text(docs_page(result))
    print(f"Written: {page.relative_to(machine.ROOT)} and {folder.relative_to(machine.ROOT)}/")


def _is_worse(baseline: gate.Baseline, result: Result) -> bool:
    compared = gate.compare(baseline, gate.ratios_of(result))
    show_comparisons(baseline, compared)
    return any(each.fails for each in compared)


if __name__ == "__main__":
    sys.exit(main())
