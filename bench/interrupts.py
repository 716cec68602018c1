"""
Ctrl-C and SIGTERM as one KeyboardInterrupt that never falls between starting a program and noting that it runs.

`run_program` is called once by each `__main__.py`; `held` guards the few places where an interruption would leave a
program behind. A second signal changes nothing: the first one is already stopping everything.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from bench.errors import CannotBenchmark

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    depth = 0
    arrived = False
    raised = False


def run_program(run: Callable[[], int]) -> int:
    """Run a whole program under `install`; its status, or that of what kept it from ending."""
    install()
    try:
        return run()
    except CannotBenchmark as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been stopped", file=sys.stderr)
        return 130


def install() -> None:
    """Take the signals over for the rest of the program. Programs started later get the usual behaviour."""
    for number in _SIGNALS:
        signal.signal(number, _note)


@contextmanager
def held() -> Iterator[None]:
    """Let a signal that comes meanwhile take effect at the end of the block."""
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
    _raise_if_due()


def _note(_signal: int, _frame: FrameType | None) -> None:
    _State.arrived = True
    _raise_if_due()


def _raise_if_due() -> None:
    if _State.arrived and not _State.raised and not _State.depth:
        _State.raised = True
        raise KeyboardInterrupt
