"""
Two byte streams joined in memory, in place of two sockets: what one writes the other reads, in the same pieces.

    async with MemoryStreamPair() as pair:
        await pair.left.write(b"hello", 1.0)
        assert await pair.right.read(1.0) == b"hello"

It passes the same tests as the real streams (`test_conformance.py`).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Self

from iron_proxy.streams.byte_stream import MAX_PIECE_BYTES, StreamReset, StreamTimeout


class MemoryStream:
    """One end. `written` is everything it was given to send, for tests that look at one side only."""

    def __init__(self, peer: str = "192.0.2.1:1000") -> None:
        self.peer = peer
        self.written = b""
        self.is_closed = self.was_aborted = False
        self._other: MemoryStream | None = None
        self._pieces: deque[bytes] = deque()
        self._ended = self._broken = self._has_written_end = False
        self._changed = asyncio.Event()
        self._end_callback: Callable[[], None] | None = None

    def join(self, other: "MemoryStream") -> None:
        """Make two streams the two ends of one connection."""
        self._other, other._other = other, self

    @property
    def has_ended(self) -> bool:
        return self._ended

    @property
    def is_gone(self) -> bool:
        return self._broken or self.is_closed

    @property
    def ended_cleanly(self) -> bool:
        return self._ended and not self._broken

    @property
    def has_unread(self) -> bool:
        return bool(self._pieces)

    async def read(self, timeout: float) -> bytes:
        while not self._pieces:
            if self._broken or self.is_closed:
                raise StreamReset("the connection broke")
            if self._ended:
                return b""
            await self._wait(timeout, "the peer sent nothing in time")
        self._notify_other()
        return self._pieces.popleft()

    def push_back(self, data: bytes) -> None:
        if data:
            self._pieces.appendleft(data)

    def write_nowait(self, data: bytes) -> bool:
        if self.is_gone:
            raise StreamReset("the connection is closed")
        self.written += data
        if self._other is not None and data:
            self._other._pieces.append(data)
            self._notify_other()
        return self._is_congested

    async def drain(self, timeout: float) -> None:
        while self._is_congested:
            if self.is_gone:
                raise StreamReset("the connection is closed")
            await self._wait(timeout, "the peer took nothing in time")

    async def write(self, data: bytes, timeout: float) -> None:
        if self.write_nowait(data):
            await self.drain(timeout)

    async def write_end(self) -> None:
        if not self.is_gone and not self._has_written_end:
            self._has_written_end = True
            self._end_other(broken=False)

    def on_end(self, callback: Callable[[], None] | None) -> None:
        if callback is not None and self._ended:
            callback()
            return
        self._end_callback = callback

    def extra(self, name: str) -> object:
        """There is no transport to know anything of."""
        return None

    def close(self) -> None:
        self.is_closed = True
        self._end_callback = None
        self._changed.set()
        self._end_other(broken=False)

    def abort(self) -> None:
        self.is_closed = self.was_aborted = True
        self._end_callback = None
        self._changed.set()
        self._end_other(broken=True)

    @property
    def _is_congested(self) -> bool:
        return self._other is not None and sum(map(len, self._other._pieces)) > MAX_PIECE_BYTES

    async def _wait(self, timeout: float, message: str) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            raise StreamTimeout(message) from None

    def _notify_other(self) -> None:
        if self._other is not None:
            self._other._changed.set()

    def _end_other(self, *, broken: bool) -> None:
        other = self._other
        if other is None or other._ended:
            return
        other._ended, other._broken = True, broken
        other._changed.set()
        callback, other._end_callback = other._end_callback, None
        if callback is not None:
            callback()


class MemoryStreamPair:
    """Two ends of one connection."""

    def __init__(self) -> None:
        self.left, self.right = MemoryStream(), MemoryStream("192.0.2.2:2000")
        self.left.join(self.right)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.left.close()
        self.right.close()
