"""Runs as JSON under `bench/results/`: every round, and the medians for who only looks."""

import re
import subprocess
from pathlib import Path

import msgspec

from bench.errors import CannotBenchmark
from bench.figures import median
from bench.machine import ROOT
from bench.results import Result
from bench.targets import TARGETS

FOLDER = ROOT / "bench" / "results"


def encode(result: Result) -> bytes:
    """The file's content; `result` holds what was measured, the rest is derived from it."""
    cells = dict.fromkeys((sample.workload, sample.arm, name) for sample in result.samples for name in sample.figures)
    medians: dict[str, dict[str, dict[str, float | None]]] = {}
    for workload, arm, figure in cells:
        figures = medians.setdefault(workload, {}).setdefault(arm, {})
        figures[figure] = median(result, workload, arm, figure)
    verdicts = {target.work: target.verdict(result).value for target in TARGETS}
    document = {"result": result, "medians": medians, "targets": verdicts}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def file_name(result: Result) -> str:
    """`2030-01-31T1205Z-0123456789ab.json`: sorts by time, names the commit, fits every file system."""
    return re.sub(r"[^\w.-]", "", f"{result.date}-{result.commit}.json")


def save(result: Result) -> Path:
    """Write the file; git ignores it until it is kept."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / file_name(result)
    path.write_bytes(encode(result))
    return path


def keep(path: Path) -> None:
    """Put a result under version control. Raises CannotBenchmark when git does not take it."""
    command = ["git", "add", "--force", "--", str(path)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBenchmark(f"--keep: git cannot be run; the result is in {path}") from error
    if done.returncode:
        raise CannotBenchmark(f"--keep: git add failed: {done.stderr.strip()}; the result is in {path}")
