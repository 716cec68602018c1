"""
What stands between the pipeline and a transform from outside: a deadline, and a word about who blocks the loop.

A transform that waits too long fails its request. One that computes too long without waiting cannot be interrupted, and
everybody waits for it: the process log names it. What it raises is told by the pipeline, by its type only. Made by
`python_class.py` around every transform that is not built in.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from time import perf_counter
from typing import Any

from iron_proxy.errors import TransformError
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import RequestTransform
from iron_proxy.pipeline.verdict import Verdict

# A call to a policy service over the network fits; an agent that waits for its model would wait half a minute anyway.
DEFAULT_DEADLINE = 5.0
# Clients of all other connections have noticed by then.
_BLOCKED_TOO_LONG = 1.0
# The methods of the optional protocols of `pipeline/transform.py` that never wait, and may be asked for by name.
_PASSED_ON = ("admits_target", "admits_name", "on_refused")

_log = logging.getLogger("iron_proxy.transforms")

Run = Callable[[Exchange], Coroutine[Any, Any, Verdict]]


class ForeignTransform:
    """Has those methods that the transform inside has: the pipeline asks which ones there are."""

    is_foreign = True                     # what it puts into a request is not for us to show

    def __init__(self, inner: RequestTransform, deadline: float = DEFAULT_DEADLINE) -> None:
        self.name = inner.name
        self.scopes = inner.scopes
        self.inner = inner
        self._deadline = deadline
        self._on_request: Run = inner.on_request
        for method in _PASSED_ON:
            if hasattr(inner, method):
                vars(self)[method] = getattr(inner, method)
        for method, limited in (("on_response", self._respond), ("aclose", self._close)):
            if hasattr(inner, method):
                vars(self)[method] = limited

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Ask the transform. Raises TransformError when it takes too long, or would end the process."""
        return await self._limited(self._on_request(exchange))

    async def _respond(self, exchange: Exchange) -> Verdict:
        respond: Run = self.inner.on_response  # type: ignore[attr-defined]  # there is one: see __init__
        return await self._limited(respond(exchange))

    async def _close(self) -> None:
        try:
            await self._limited(self.inner.aclose())  # type: ignore[attr-defined]  # the same
        except Exception as error:  # noqa: BLE001  # foreign code; others want to be closed too
            fields = {"transform": self.name, "error": type(error).__name__}
            _log.warning("a transform could not be closed", extra={"fields": fields})

    async def _limited(self, work: Coroutine[Any, Any, Verdict]) -> Verdict:
        limit = asyncio.timeout(self._deadline)
        try:
            async with limit:
                verdict = await _Watched(work, self.name)
        except TimeoutError:
            if not limit.expired():
                raise
        except (SystemExit, KeyboardInterrupt) as error:  # of its own making: ours is a signal handler's
            raise TransformError(type(error).__name__) from error
        else:
            if not limit.expired():  # it may have caught its cancellation
                return verdict
        raise TransformError(f"took longer than {self._deadline:g} s")


class _Watched(Awaitable[Verdict]):
    """Runs a coroutine, and tells when it kept the loop between two of its waits."""

    __slots__ = ("_name", "_work")

    def __init__(self, work: Coroutine[Any, Any, Verdict], name: str) -> None:
        self._work = work
        self._name = name

    def __await__(self) -> Generator[Any, Any, Verdict]:
        advance, given = self._work.send, None
        while True:
            started = perf_counter()
            try:
                waits_for = advance(given)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # a coroutine's result
            finally:
                self._check(perf_counter() - started)
            try:
                given = yield waits_for
                advance = self._work.send
            except GeneratorExit:
                self._work.close()
                raise
            except BaseException as error:  # noqa: BLE001  # a cancellation, or what was waited for: it goes inside
                advance, given = self._work.throw, error

    def _check(self, seconds: float) -> None:
        if seconds > _BLOCKED_TOO_LONG:
            fields = {"transform": self._name, "seconds": round(seconds, 3)}
            _log.warning("a transform blocked the event loop", extra={"fields": fields})
