"""
An event loop whose clock stands still until a test moves it: deadlines of minutes pass without a wait.

    loop = VirtualTimeLoop()
    loop.run_until_complete(...)
    loop.advance(300)

Nothing may be left to wait for when a call of `run_until_complete` begins to wait: the clock would never get there.
"""

import asyncio


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Timers are due by `advance`, in their order."""

    def __init__(self) -> None:
        self._now = 1000.0
        super().__init__()

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything run that has become due."""
        self._now += seconds
        self.turn()

    def turn(self, count: int = 20) -> None:
        """Let everything that can run do so."""
        self.run_until_complete(_turns(count))


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
