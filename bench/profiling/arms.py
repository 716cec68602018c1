"""Ours once more, under observation: with its calls counted, and with samples taken by `perf`."""

import shutil
import sys
from collections.abc import Callable, Mapping
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
    """An arm of ours whose launch is changed. `shape` says what it serves; `lacks` is why it cannot be observed."""

    shape: IronProxy
    name: str
    title: str
    change: Callable[[Launch], Launch]
    lacks: str | None = None

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
        return self.lacks or self.shape.missing()

    def version(self) -> str:
        """See `Arm`."""
        return self.shape.version()

    def prepare(self, setting: Setting, directory: Path) -> Launch:
        """See `Arm`."""
        return self.change(self.shape.prepare(setting, directory))


def counted(shape: IronProxy, output: Path) -> Observed:
    """Its calls are counted by itself; `output` is a JSON file."""

    def change(launch: Launch) -> Launch:
        command = (sys.executable, "-m", "bench.profiling.counting", *launch.command[1:])
        own = {FILE_VARIABLE: str(output), "PYTHONPATH": str(machine.ROOT)}
        return replace(launch, command=command, environment={**launch.environment, **own})

    return Observed(shape, "counted", "iron-proxy, calls counted", change)


def sampled(shape: IronProxy, output: Path) -> Observed:
    """Samples are taken by `perf`, of the CPU's clock: a virtual machine has no counters. `output` is in its format."""
    delay = str(int(BEGINS_AFTER * 1000))
    perf = ("perf", "record", "--quiet", "-e", "cpu-clock", "-F", str(_FREQUENCY), "-D", delay, "-o", str(output), "--")

    def change(launch: Launch) -> Launch:
        return replace(launch, command=(*perf, *launch.command))

    lacks = None if shutil.which("perf") else "perf is not installed: apt-get install linux-perf"
    return Observed(shape, "sampled", "iron-proxy, samples taken", change, lacks)
