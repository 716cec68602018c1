"""Waiting for what nobody tells: a condition that is looked at again and again, until it holds or the time is up."""

from collections.abc import Callable
from threading import Event
from time import monotonic


def wait_until(holds: Callable[[], bool], timeout: float, *, pause: float = 0.02, what: str = "") -> None:
    """Times are in seconds. Raises AssertionError with `what`."""
    deadline = monotonic() + timeout
    while not holds():
        assert monotonic() < deadline, what
        Event().wait(pause)
