"""
Copy bytes both ways between two streams until both directions have ended.

What the bytes mean is the caller's business: they go through its hands, where it may change them or hold some back.
Called by `proxy/upgraded_session.py` and `proxy/sni_passthrough.py`, which close both streams.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

from iron_proxy.errors import IronProxyError
from iron_proxy.streams.byte_stream import ByteStream, StreamTimeout

# Called with each piece; what it returns is handed to the other stream right after.
Through = Callable[[bytes], bytes]


class RelayIdle(IronProxyError):
    """Neither side said anything for the whole idle time."""


class Direction:
    """One way through a relay: how many bytes have gone it, and what they go through."""

    __slots__ = ("size", "through")

    def __init__(self, through: Through | None = None) -> None:
        self.size = 0
        self.through = through


class Relay:
    """Two streams joined: `forth` leads from `one` to `other`, `back` the other way. Times are in seconds."""

    __slots__ = ("_idle_timeout", "_last", "_one", "_other", "_write_timeout", "back", "forth")

    def __init__(
        self,
        one: ByteStream,
        other: ByteStream,
        *,
        idle_timeout: float,
        write_timeout: float,
        through_forth: Through | None = None,
        through_back: Through | None = None,
    ) -> None:
        self._one, self._other = one, other
        self._idle_timeout, self._write_timeout = idle_timeout, write_timeout
        self.forth, self.back = Direction(through_forth), Direction(through_back)
        self._last = monotonic()                  # for both directions: a stream that talks one way is not idle

    async def run(self) -> None:
        """
        Copy both ways; the end of one direction is passed on and the other goes on (half-close).

        Raises StreamReset, StreamTimeout or RelayIdle when either side breaks, and what the caller's hands raise; the
        caller closes both streams.
        """
        try:
            async with asyncio.TaskGroup() as copies:
                copies.create_task(self._copy(self._one, self._other, self.forth), name="relay forth")
                copies.create_task(self._copy(self._other, self._one, self.back), name="relay back")
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    @property
    def idle_seconds(self) -> float:
        """For how long nothing has moved."""
        return monotonic() - self._last

    async def _copy(self, source: ByteStream, sink: ByteStream, direction: Direction) -> None:
        through = direction.through
        while piece := await self._next_piece(source):
            if through is not None:
                piece = through(piece)
                if not piece:
                    continue
            direction.size += len(piece)
            await sink.write(piece, self._write_timeout)
            self._last = monotonic()
        await sink.write_end()

    async def _next_piece(self, source: ByteStream) -> bytes:
        while True:
            left = self._idle_timeout - self.idle_seconds
            if left <= 0:
                raise RelayIdle("the relay was idle for too long")
            try:
                piece = await source.read(left)
            except StreamTimeout:                 # the other direction may have moved meanwhile
                continue
            self._last = monotonic()
            return piece
