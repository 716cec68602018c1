"""
A program under measurement: started on its core in a session of its own, watched, and always stopped.

`start` is a context manager; leaving it, also by Ctrl-C, ends the program and whatever it started.
"""

import os
import signal
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from bench import proc_files
from bench.errors import MeasurementFailed
from bench.interrupts import held

# A proxy may use some seconds to let its connections finish; by now the load generator has closed them all.
STOP_PATIENCE = 5.0
# What a program says last usually names its trouble.
LAST_WORDS_BYTES = 600


class StartedProcess:
    """A running program and what the kernel says about it and its children."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    def check_alive(self) -> None:
        """Raise MeasurementFailed with the program's last words when it has ended."""
        if (status := self._process.poll()) is not None:
            raise MeasurementFailed(f"ended with status {status}: {self.last_words() or 'without a word'}")

    def last_words(self) -> str:
        """The end of what it has printed, on one line."""
        return " ".join(self._output.read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace").split())

    def cpu_seconds(self) -> float:
        """User and system time of the program and its children."""
        return proc_files.cpu_seconds(self._process.pid)

    def resident_mib(self) -> float:
        """Memory it holds now."""
        return proc_files.resident_mib(self._process.pid)

    def peak_mib(self) -> float:
        """The most memory it ever held."""
        return proc_files.peak_mib(self._process.pid)

    def forget_peak(self) -> None:
        """Let `peak_mib` tell the most from now on."""
        proc_files.forget_peak(self._process.pid)

    def stop(self) -> None:
        """Ask it to end, insist after a while, and leave none of its children behind."""
        with held():
            self._process.terminate()
            try:
                self._process.wait(STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(self._process.pid, signal.SIGKILL)  # its session is its group: workers that outlived it
            except ProcessLookupError:
                pass
            self._process.wait()


@contextmanager
def start(
    command: Sequence[str], environment: Mapping[str, str], output: Path, cores: Collection[int] | None
) -> Iterator[StartedProcess]:
    """Run `command` with stdout and stderr appended to `output`. Raises MeasurementFailed when it cannot be run."""
    with ExitStack() as stack:
        with held():
            started = StartedProcess(_spawn(command, environment, output, cores), output)
            stack.callback(started.stop)
        yield started


def _spawn(
    command: Sequence[str], environment: Mapping[str, str], output: Path, cores: Collection[int] | None
) -> subprocess.Popen[bytes]:
    with output.open("ab") as log, on_cores(cores):
        try:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        except OSError as error:
            raise MeasurementFailed(f"{command[0]} cannot be started: {error.strerror}") from error


def on_core(core: int | None) -> AbstractContextManager[None]:
    """Stay on one core meanwhile; anywhere with None."""
    return on_cores(None if core is None else {core})


@contextmanager
def on_cores(cores: Collection[int] | None) -> Iterator[None]:
    """Stay on these cores meanwhile. A child inherits them, so that it is pinned from its first instruction."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
