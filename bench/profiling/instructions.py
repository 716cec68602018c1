"""
How many instructions the parts of the way take that do no I/O: counted by callgrind, in a process of its own.

A count is the same from run to run, however busy the machine is: what a change brings can be told where times cannot
tell it. It says nothing of caches, and the kernel is not in it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import machine
from bench.errors import MeasurementFailed
from bench.profiling.pure_parts import PARTS, REPETITIONS

_TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE)
# It takes some ten seconds; a machine that is thirty times slower has some other trouble.
_TIMEOUT = 300.0


def count_instructions() -> list[tuple[str, float]]:
    """(part, instructions that it takes once). Empty where valgrind is not installed. Raises MeasurementFailed."""
    if shutil.which("valgrind") is None:
        return []
    names = [name for name, _ in PARTS]
    with tempfile.TemporaryDirectory(prefix="iron-proxy-instructions-") as folder:
        counts = Path(folder, "counts")
        _run(counts)
        # A count ends at each mark, and each part has two: what lies before its first belongs to nobody.
        totals = [read_total(counts.with_name(f"counts.{2 * number}")) for number in range(1, len(names) + 1)]
    return figures(names, totals)


def _run(counts: Path) -> None:
    callgrind = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}", "--dump-before=getppid")
    command = (*callgrind, sys.executable, "-m", "bench.profiling.pure_parts")
    # A seed of its own for each run would put other strings into one place of a table.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(
            command, cwd=machine.ROOT, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"callgrind was not at its end after {_TIMEOUT:.0f} s") from None
    if done.returncode != 0:
        raise MeasurementFailed(f"callgrind ended with status {done.returncode}: {done.stderr.strip()[-500:]}")


def read_total(path: Path) -> int:
    """All instructions of one of callgrind's files. Raises MeasurementFailed."""
    found = _TOTAL.search(path.read_text()) if path.exists() else None
    if found is None:
        raise MeasurementFailed(f"callgrind has written no total into {path.name}")
    return int(found[1])


def figures(names: Sequence[str], totals: Sequence[int]) -> list[tuple[str, float]]:
    """From totals of all repetitions to instructions of one; the first part is the loop, which is taken off."""
    loop = totals[0]
    return [(name, (total - loop) / REPETITIONS) for name, total in zip(names[1:], totals[1:], strict=True)]
