"""What the figures depend on: the machine, how busy it was, the cores given to each side, the tools, the commit."""

import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.arm import said_by
from bench.errors import CannotBenchmark
from bench.proc_files import PROC, parse_busy_ticks
from bench.results import Machine, Settings

ROOT = Path(__file__).parent.parent
# Without these nothing can be measured: the origin and the two load generators.
NEEDED = {"nginx": "nginx-light", "wrk": "wrk", "curl": "curl"}


def check_tools() -> None:
    """Raise CannotBenchmark with the remedy when this is not Linux or a tool is missing."""
    if sys.platform != "linux":
        raise CannotBenchmark("the benchmark reads CPU time from /proc and pins processes: it runs on Linux only")
    missing = [package for tool, package in NEEDED.items() if shutil.which(tool) is None]
    if missing:
        raise CannotBenchmark(f"not installed; remedy: apt-get install {' '.join(missing)}")


def cores_for(available: list[int]) -> tuple[int | None, int | None, int | None]:
    """
    The cores for proxy, origin and load generator. Pure.

    The proxy has one to itself. With two cores the others share; with one nothing is pinned and the figures say so.
    """
    if len(available) < 2:
        return None, None, None
    return available[0], available[-2] if len(available) > 2 else available[1], available[-1]


def second_core_for(available: list[int]) -> int | None:
    """The core for a proxy's second process: only where origin and load generator keep theirs. Pure."""
    return available[1] if len(available) >= 4 else None


def settings(rounds: int, seconds: float) -> Settings:
    """The run's settings on the cores that this process may use."""
    available = sorted(os.sched_getaffinity(0))
    return Settings(rounds, seconds, *cores_for(available), second_core_for(available))


def allow_many_descriptors() -> None:
    """As many as this user may have, for ten thousand connections at a time; what is started inherits it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def describe_machine() -> Machine:
    """Look at the machine; takes the second in which it sees what others do on it."""
    first = parse_busy_ticks((PROC / "stat").read_text())
    time.sleep(1.0)
    second = parse_busy_ticks((PROC / "stat").read_text())
    busy, elapsed = second[0] - first[0], second[1] - first[1]
    return Machine(
        cpu=parse_cpu_model((PROC / "cpuinfo").read_text()) or platform.machine(),
        cores=os.cpu_count() or 1,
        system=f"Linux {platform.release()}, Python {platform.python_version()}",
        busy_before=busy / elapsed if elapsed else 0.0,
    )


def parse_cpu_model(text: str) -> str:
    """The first `model name` of `/proc/cpuinfo`; empty when there is none, as on ARM."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return ""


def tool_versions() -> dict[str, str]:
    """The load generators and the origin."""
    return {
        "wrk": " ".join(said_by("wrk", "-v").split()[:2]),
        "curl": " ".join(said_by("curl", "--version").split()[:2]),
        "h2load": said_by("h2load", "--version").removeprefix("h2load "),
        "dnsperf": _dnsperf_version(),
        "nginx (origin)": said_by("nginx", "-v").removeprefix("nginx version: "),
    }


def _dnsperf_version() -> str:
    # It has no option for that; with nothing to ask it tells its name, its version, and ends.
    said = said_by("dnsperf", "-d", os.devnull, "-n", "1", "-p", "1", line=1)
    return said.removeprefix("Version ")


def commit() -> str:
    """The commit of this checkout, `-changed` when the code differs from it, `unknown` outside a repository."""
    name = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--", "src", "bench")
    return f"{name}-changed" if name and changed else name or "unknown"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
