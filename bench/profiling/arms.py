"""Ours once more, under observation: with its calls counted, and with samples taken by `perf`."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench import machine
from bench.arm import Launch
from bench.iron_proxy import IronProxy
from bench.profiling.counting import BEGINS_AFTER, FILE_VARIABLE
from bench.setting import Setting

# Samples a second of CPU time: a prime, so as not to keep step with anything.
_FREQUENCY = 1999


@dataclass(frozen=True, slots=True)
class Observed:
    """An arm of ours whose command is wrapped. `shape` says what it serves."""

    shape: IronProxy
    name: str
    title: str
    output: Path

    @property
    def does(self) -> str:
        """See `Arm`."""
        return self.shape.does

    @property
    def credential(self) -> str:
        """See `Arm`."""
        return self.shape.credential

    @property
    def cannot(self) -> Mapping[str, str]:
        """See `Arm`."""
        return self.shape.cannot

    @property
    def processes(self) -> int:
        """See `Arm`."""
        return self.shape.processes

    def missing(self) -> str | None:
        """See `Arm`."""
        return self.shape.missing()

    def version(self) -> str:
        """See `Arm`."""
        return self.shape.version()

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        """See `Arm`."""
        return self.wrap(self.shape.prepare(setting, directory))

    def wrap(self, launch: Launch) -> Launch:
        """The same launch under observation."""
        raise NotImplementedError


class Counted(Observed):
    """Its calls are counted by itself; `output` is a JSON file."""

    __slots__ = ()

    def wrap(self, launch: Launch) -> Launch:
        """See `Observed`."""
        command = (sys.executable, "-m", "bench.profiling.counting", *launch.command[1:])
        own = {FILE_VARIABLE: str(self.output), "PYTHONPATH": str(machine.ROOT)}
        return replace(launch, command=command, environment={**launch.environment, **own})


class Sampled(Observed):
    """Samples are taken by `perf`; `output` is a file of its own format."""

    __slots__ = ()

    def missing(self) -> str | None:
        """See `Arm`."""
        return self.shape.missing() if shutil.which("perf") else "perf is not installed: apt-get install linux-perf"

    def wrap(self, launch: Launch) -> Launch:
        """See `Observed`. Of the CPU's clock: a virtual machine has no counters."""
        delay = str(int(BEGINS_AFTER * 1000))
        perf = ("perf", "record", "--quiet", "-e", "cpu-clock", "-F", str(_FREQUENCY), "-D", delay)
        return replace(launch, command=(*perf, "-o", str(self.output), "--", *launch.command))
