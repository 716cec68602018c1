"""What is written in one turn of the loop leaves at its end, together; nothing is lost by that, and nothing late."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.fakes.loopback import LoopbackStreamPair

from iron_proxy.streams import socket_stream
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.turn_end import TurnEnd, turn_end_of

LONG = 5.0


class CountingTransport:
    """Writes as the real one does, and counts the writes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.fixture
async def pair() -> AsyncIterator[LoopbackStreamPair]:
    async with LoopbackStreamPair() as pair:
        yield pair


@pytest.fixture
def transport(pair: LoopbackStreamPair, monkeypatch: pytest.MonkeyPatch) -> CountingTransport:
    """Of the left stream."""
    counting = CountingTransport(pair.left._transport)
    monkeypatch.setattr(pair.left, "_transport", counting)
    return counting


async def test_the_writes_of_a_turn_are_one(pair: LoopbackStreamPair, transport: CountingTransport) -> None:
    pair.left.write_nowait(b"head ")
    pair.left.write_nowait(b"body")
    assert transport.writes == []

    await asyncio.sleep(0)

    assert transport.writes == [b"head body"]
    assert await pair.right.read(LONG) == b"head body"


async def test_the_next_turn_has_a_write_of_its_own(pair: LoopbackStreamPair, transport: CountingTransport) -> None:
    for piece in (b"1", b"2"):
        pair.left.write_nowait(piece)
        await asyncio.sleep(0)

    assert transport.writes == [b"1", b"2"]


async def test_much_does_not_wait_and_takes_what_came_before_along(
    pair: LoopbackStreamPair, transport: CountingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_stream, "_HELD_BACK_BYTES", 10)
    pair.left.write_nowait(b"x" * 11)
    pair.left.write_nowait(b"y" * 10)
    pair.left.write_nowait(b"z")

    assert transport.writes == [b"x" * 11, b"y" * 10 + b"z"]
    await asyncio.sleep(0)
    assert len(transport.writes) == 2


@pytest.mark.parametrize("ending", ["close", "write_end"])
async def test_what_was_written_comes_before_the_end(pair: LoopbackStreamPair, ending: str) -> None:
    pair.left.write_nowait(b"last words")
    done = getattr(pair.left, ending)()
    if done is not None:
        await done

    assert await pair.right.read(LONG) == b"last words"
    assert await pair.right.read(LONG) == b""
    assert pair.right.ended_cleanly


async def test_an_abort_comes_behind_what_was_written(pair: LoopbackStreamPair) -> None:
    pair.left.write_nowait(b"half of")
    pair.left.abort()

    assert await pair.right.read(LONG) == b"half of"
    with pytest.raises(StreamReset):
        await pair.right.read(LONG)


async def test_a_connection_that_broke_meanwhile_keeps_no_other_from_sending(pair: LoopbackStreamPair) -> None:
    async with LoopbackStreamPair() as other:
        pair.left.write_nowait(b"nobody is there")
        pair.left._transport.abort()
        other.left.write_nowait(b"here")

        assert await other.right.read(LONG) == b"here"


async def test_a_loop_has_one() -> None:
    loop = asyncio.get_running_loop()

    assert turn_end_of(loop) is turn_end_of(loop)
    assert isinstance(turn_end_of(loop), TurnEnd)
