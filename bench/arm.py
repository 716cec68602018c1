"""
What an arm is: one proxy under measurement, or one way of configuring it.

An arm says what it needs, writes its configuration, and names the command. Starting, pinning, measuring and stopping
are the same for all and live in `running_arm.py`. The table of them is `arms.py`.
"""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from bench.setting import Ports, Setting

# What an arm's process prints, on stdout and stderr, goes into this file of its directory.
OUTPUT_FILE = "output.log"

# No workload that an arm has to leave out.
DOES_EVERYTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one arm. Without a command there is no process: the client asks the origin itself."""

    ports: Ports
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    # Where its request log goes, a line per request; None means that it writes none.
    log: Path | None = None
    # Where it answers DNS questions, on 127.0.0.1; None means that it answers none.
    dns_port: int | None = None


class Arm(Protocol):
    """One row of the tables."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def does(self) -> str:
        """What it was configured to do, in one or two sentences for the report."""
        ...

    @property
    def credential(self) -> str:
        """The credential that its clients send."""
        ...

    @property
    def cannot(self) -> Mapping[str, str]:
        """Names of workloads that it has no way to do, with the reason."""
        ...

    @property
    def processes(self) -> int:
        """How many processes share the work: more than one may use more than one core."""
        ...

    def missing(self) -> str | None:
        """What has to be installed first, in one sentence; None when it can be measured."""
        ...

    def version(self) -> str:
        """As its program tells it."""
        ...

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        """Write the configuration into its own directory, on ports that are free now."""
        ...


def said_by(*command: str, line: int = 0) -> str:
    """A line, usually the first, of what a program prints about itself, on whichever stream. It may fail with 1."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[line] if len(lines) > line and done.returncode in (0, 1) else "unknown"
