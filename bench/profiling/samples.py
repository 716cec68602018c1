"""The report of `perf` to shares by what the time was spent in."""

import subprocess
from collections import defaultdict
from pathlib import Path

# How an object file's name begins, and what it is. The first that fits counts.
_KINDS = (
    ("[kernel", "kernel"),
    ("[guest.kernel", "kernel"),
    ("libpython", "Python: interpreter and objects"),
    ("python", "Python: interpreter and objects"),
    ("libcrypto", "OpenSSL"),
    ("libssl", "OpenSSL"),
    ("_ssl", "OpenSSL"),
    ("loop.", "uvloop"),
    ("_core.", "msgspec"),
    ("_hazmat", "jh2"),
    ("_re2", "RE2"),
    ("libc.", "C library"),
)
_OTHER = "other"


def read_samples(path: Path) -> dict[str, float]:
    """Share in percent by kind, the largest first; empty where perf took none."""
    if not path.exists():
        return {}
    command = ("perf", "report", "--stdio", "--sort", "dso", "-g", "none", "-t", "|", "-i", str(path))
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return parse_report(done.stdout)


def parse_report(text: str) -> dict[str, float]:
    """The same from the report's text: ` 51.24% |libpython3.11.so.1.0`."""
    shares: defaultdict[str, float] = defaultdict(float)
    for line in text.splitlines():
        share, bar, name = line.partition("|")
        if bar and not line.startswith("#"):
            shares[_kind_of(name.strip())] += float(share.strip().removesuffix("%"))
    return {kind: round(share, 1) for kind, share in sorted(shares.items(), key=lambda item: -item[1])}


def _kind_of(name: str) -> str:
    return next((kind for beginning, kind in _KINDS if name.startswith(beginning)), _OTHER)
