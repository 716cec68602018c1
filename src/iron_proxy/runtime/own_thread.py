"""
Work that may wait for files, in a thread of its own that nothing ever waits for: not the loop, not the stop.

A named pipe or a dead network file system can keep a thread for ever. The shared executor's threads are too few for
that, and are waited for at the end. Used by `reload.py`.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class Busy(Exception):
    """Former work has not come back."""


class OwnThread:
    """One at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], Result], seconds: float) -> Result:
        """The work's result, or what it raises. Raises TimeoutError, and Busy while it has not come back after one."""
        if self._thread is not None and self._thread.is_alive():
            raise Busy
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def give(result: Result | None, error: BaseException | None) -> None:
            if future.done():                    # nobody waits any more
                return
            if error is None:
                future.set_result(result)  # type: ignore[arg-type]  # of this type where there is no error
            else:
                future.set_exception(error)

        self._thread = threading.Thread(target=_work, args=(loop, work, give), name=self._name, daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(seconds):
                return await future
        finally:
            if not future.cancelled():
                self._thread.join()              # it has nothing left to do


def _work(
    loop: asyncio.AbstractEventLoop,
    work: Callable[[], Result],
    give: Callable[[Result | None, BaseException | None], None],
) -> None:
    result: Result | None = None
    error: BaseException | None = None
    try:
        result = work()
    except BaseException as raised:  # noqa: BLE001 - raised again where it is waited for
        error = raised
    try:
        loop.call_soon_threadsafe(give, result, error)
    except RuntimeError:                         # the loop is closed: the process ends
        pass
