"""Copy bytes both ways between two streams until both directions have ended."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from iron_proxy.errors import IronProxyError
from iron_proxy.streams.byte_stream import ByteStream, StreamTimeout


class RelayIdle(IronProxyError):
    """Neither side said anything for the whole idle time."""


class _Activity:
    """When either side last said something: a stream that only talks one way is not idle."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last = monotonic()


async def relay(one: ByteStream, other: ByteStream, *, idle_timeout: float, write_timeout: float) -> None:
    """
    Copy both ways; the end of one direction is passed on and the other goes on (half-close).

    Raises StreamReset, StreamTimeout or RelayIdle when either side breaks; the caller closes both streams.
    """
    activity = _Activity()

    async def copy(source: ByteStream, sink: ByteStream) -> None:
        async for piece in _pieces(source, activity, idle_timeout):
            await sink.write(piece, write_timeout)
        await sink.write_end()

    try:
        async with asyncio.TaskGroup() as copies:
            copies.create_task(copy(one, other), name="relay forth")
            copies.create_task(copy(other, one), name="relay back")
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _pieces(source: ByteStream, activity: _Activity, idle_timeout: float) -> AsyncIterator[bytes]:
    while True:
        try:
            piece = await source.read(idle_timeout)
        except StreamTimeout:
            if monotonic() - activity.last >= idle_timeout:
                raise RelayIdle("the relay was idle for too long") from None
            continue
        activity.last = monotonic()
        if not piece:
            return
        yield piece
