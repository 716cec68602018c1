"""How many of everything, and what was measured: a tenth in the suite, all of it with `make scale` (SCALE=full)."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

FULL: Final = os.environ.get("SCALE") == "full"

# What was measured in this process, by test; `conftest.py` prints it at the end.
MEASURED: dict[str, dict[str, float]] = {}


def sized(full: int) -> int:
    """The number to use in this run."""
    return full if FULL else max(1, full // 10)


def note(test: str, **figures: float) -> None:
    """Keep what was measured, for the end of the run."""
    MEASURED.setdefault(test, {}).update({name: round(value, 3) for name, value in figures.items()})


def save() -> None:
    """Write the figures where SCALE_REPORT says."""
    if path := os.environ.get("SCALE_REPORT"):
        Path(path).write_text(json.dumps(MEASURED, indent=1) + "\n", encoding="utf-8")


def resident_kib(pid: int) -> int:
    """Resident memory of a process."""
    return _status(pid, "VmRSS:")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which this share of the values lies; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
