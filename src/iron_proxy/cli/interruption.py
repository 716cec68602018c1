"""
Signals that end a program, held until they can be obeyed. For commands that start processes and write files.

An exception out of nowhere could strike between the making of a thing and the note that it is to be unmade.
"""

import signal
from types import FrameType
from typing import Any, Self


class Interruption:
    """A context manager around the work; between any two parts of it, `checkpoint` obeys."""

    def __init__(self) -> None:
        self._is_due = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, action in self._before.items():
            signal.signal(number, action)

    def checkpoint(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self._is_due:
            raise KeyboardInterrupt

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._is_due:  # somebody is impatient
            raise KeyboardInterrupt
        self._is_due = True
