"""One object for each event loop, made when it is first asked for, and gone with its loop."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

Thing = TypeVar("Thing")


class PerLoop(Generic[Thing]):
    """Called with a loop it returns that loop's object. `make` is given the loop."""

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], Thing]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, Thing] = WeakKeyDictionary()

    def __call__(self, loop: asyncio.AbstractEventLoop) -> Thing:
        """The object of this loop."""
        thing = self._made.get(loop)
        if thing is None:
            thing = self._made[loop] = self._make(loop)
        return thing
