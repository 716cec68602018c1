"""The steps of making a jail, and an error that says in which of them the kernel refused. Used inside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from iron_proxy.jail.orders import Message


class FailedStep(Exception):
    """Told outside, where `refusal_reasons.py` makes a sentence of it."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name)
        self.name = name
        self._error = error

    def message(self) -> Message:
        """The step, the error's number, and what it was about."""
        if isinstance(self._error, OSError) and self._error.errno:
            text = os.strerror(self._error.errno).lower()
            where = f": {self._error.filename}" if self._error.filename else ""
            return {"say": "failed", "step": self.name, "errno": self._error.errno, "text": f"{text}{where}"[:500]}
        return {"say": "failed", "step": self.name, "errno": 0, "text": type(self._error).__name__}


@contextmanager
def step(name: str) -> Iterator[None]:
    """Any error in it is this step's; one of a step within keeps its name."""
    try:
        yield
    except FailedStep:
        raise
    except Exception as error:
        raise FailedStep(name, error) from error
