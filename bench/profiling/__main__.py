"""
`python -m bench.profiling`: profiles of the workloads of the data path, to stdout, and with `--keep` to a file as well.

Each workload is measured plain beside nginx, then under observation. What does no I/O is counted in instructions;
`--instructions` does nothing else, and takes a quarter of a minute. Status 0, 1 when a measurement failed.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import interrupts, machine
from bench.arm import Arm
from bench.arms import NGINX, OURS
from bench.errors import MeasurementFailed
from bench.figures import median
from bench.groups import INTERCEPTING, STRICT, Group
from bench.iron_proxy import IronProxy
from bench.profiling.arms import counted, sampled
from bench.profiling.calls import read_calls
from bench.profiling.counting import BEGINS_AFTER, LASTS
from bench.profiling.instructions import count_instructions
from bench.profiling.memory import measure_imports
from bench.profiling.report import Profile, instruction_lines, report
from bench.profiling.samples import read_samples
from bench.results import Result
from bench.run import measure
from bench.workloads import DNS_INTERCEPT, DNS_REFUSED, SMALL_PLAIN, SMALL_TLS, UNARY_CALLS, Workload

FOLDER = machine.ROOT / "bench" / "profiles"
ROUNDS = 3
SECONDS = BEGINS_AFTER + LASTS + 1

# The workload, what serves it, and which figure is its CPU time. nginx answers no DNS.
WORKLOADS: tuple[tuple[Workload, IronProxy, str], ...] = (
    (SMALL_TLS, OURS, "cpu_us_per_request"),
    (SMALL_PLAIN, OURS, "cpu_us_per_request"),
    (UNARY_CALLS, OURS, "cpu_us_per_request"),
    (DNS_INTERCEPT, INTERCEPTING, "cpu_us_per_answer"),
    (DNS_REFUSED, STRICT, "cpu_us_per_answer"),
)


def main() -> int:
    """Profile what the options name; the caller exits with the status."""
    options = _parse(sys.argv[1:])
    if options.instructions:
        return interrupts.run_program(_run_instructions)
    return interrupts.run_program(lambda: _run(options.workload, keep=options.keep))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    names = [workload.name for workload, _, _ in WORKLOADS]
    parser = argparse.ArgumentParser("python -m bench.profiling", description="Tell where a request's time goes.")
    parser.add_argument("--workload", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--keep", action="store_true", help="write the report to bench/profiles/ as well")
    parser.add_argument("--instructions", action="store_true", help="only count the instructions of what does no I/O")
    options = parser.parse_args(arguments)
    if options.instructions and (options.workload or options.keep):
        parser.error("--instructions stands alone: it measures no workload, and writes no report")
    return options


def _run(names: Sequence[str] | None, *, keep: bool) -> int:
    machine.check_tools()
    profiles, failed, last = [], False, None
    for workload, shape, figure in WORKLOADS:
        if names is None or workload.name in names:
            profile, last = _profile(workload, shape, figure)
            profiles.append(profile)
            failed = failed or any(failure.is_fault for failure in last.failures)
    assert last is not None, "argparse lets no other names through"
    instructions = _instructions()
    text = report(last.date, last.commit, last.machine, profiles, measure_imports(), instructions or [])
    print(text)
    if keep:
        path = FOLDER / f"{last.date.replace(':', '')}-{last.commit}.md"
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text)
        print(f"Written: {path.relative_to(machine.ROOT)}", file=sys.stderr)
    return 1 if failed or instructions is None else 0


def _run_instructions() -> int:
    counts = _instructions()
    print("\n".join(instruction_lines(counts or [])))
    return 0 if counts else 1


def _instructions() -> list[tuple[str, float]] | None:
    """None when counting failed, for a reason that has been told; empty when there is nothing to count with."""
    try:
        return count_instructions()
    except MeasurementFailed as error:
        _tell(str(error))
        return None


def _profile(workload: Workload, shape: IronProxy, figure: str) -> tuple[Profile, Result]:
    plain: tuple[Arm, ...] = (NGINX, shape) if shape is OURS else (shape,)
    with tempfile.TemporaryDirectory(prefix="iron-proxy-profile-") as folder:
        calls, samples = Path(folder, "calls.json"), Path(folder, "perf.data")
        arms = (counted(shape, calls), sampled(shape, samples))
        observed = [Group(arm.name, (arm,), (workload,), most_rounds=1) for arm in arms]
        groups = [Group("plain", plain, (workload,)), *observed]
        result = measure(groups, machine.settings(ROUNDS, SECONDS), _tell)
        for failure in result.failures:
            _tell(f"{failure.arm}: {failure.reason}")
        profile = Profile(
            workload.title,
            median(result, workload.name, shape.name, figure),
            median(result, workload.name, NGINX.name, figure),
            read_calls(calls),
            read_samples(samples),
        )
    return profile, result


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
