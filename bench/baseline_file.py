"""`bench/baseline.json`: the ratios that a commit is held against. It is under version control."""

from pathlib import Path

import msgspec

from bench.errors import CannotBenchmark
from bench.gate import Baseline, parse_baseline
from bench.machine import ROOT

FILE = ROOT / "bench" / "baseline.json"


def load(path: Path = FILE) -> Baseline:
    """Raises CannotBenchmark, with the remedy, when there is none or it cannot be understood."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CannotBenchmark(f"{path} is not there; remedy: make bench-baseline, and commit it") from None
    except OSError as error:
        raise CannotBenchmark(f"{path} cannot be read: {error.strerror}") from error
    return parse_baseline(content, str(path))


def save(baseline: Baseline, path: Path = FILE) -> None:
    """Write it, for a person to read the difference."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(baseline), indent=2) + b"\n")
