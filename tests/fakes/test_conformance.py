"""What every byte stream promises, asked of the fake and of the real ones on both event loops."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from tests.fakes.loopback import LoopbackStreamPair, TLSStreamPair
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair

from iron_proxy.streams import deadlines
from iron_proxy.streams.byte_stream import MAX_PIECE_BYTES, StreamReset, StreamTimeout
from iron_proxy.streams.http1_reader import Stream

LONG = 5.0
SHORT = 0.02


class StreamPair(Protocol):
    @property
    def left(self) -> Stream | MemoryStream: ...
    @property
    def right(self) -> Stream | MemoryStream: ...


@pytest.fixture(params=[MemoryStreamPair, LoopbackStreamPair, TLSStreamPair], ids=["memory", "loopback", "TLS"])
async def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StreamPair]:
    monkeypatch.setattr(deadlines, "SWEEP_SECONDS", 0.005)
    async with request.param() as pair:
        yield pair


async def read_exactly(stream: Stream | MemoryStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await stream.read(LONG)
        assert piece
        data += piece
    return data


async def read_to_end(stream: Stream | MemoryStream) -> bytes:
    data = b""
    while piece := await stream.read(LONG):
        data += piece
    return data


# --- reading and writing --------------------------------------------------------------------------------------------


async def test_what_one_end_writes_the_other_reads(pair: StreamPair) -> None:
    await pair.left.write(b"ping", LONG)
    assert await pair.right.read(LONG) == b"ping"

    await pair.right.write(b"pong", LONG)
    assert await pair.left.read(LONG) == b"pong"


async def test_a_read_waits_for_bytes_that_are_not_here_yet(pair: StreamPair) -> None:
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(pair.right.read(LONG))
        await asyncio.sleep(0)
        await pair.left.write(b"late", LONG)

    assert reading.result() == b"late"


async def test_writes_arrive_whole_and_in_order(pair: StreamPair) -> None:
    pieces = [b"%d," % number for number in range(1000)]
    for piece in pieces:
        await pair.left.write(piece, LONG)

    assert await read_exactly(pair.right, len(b"".join(pieces))) == b"".join(pieces)


async def test_more_than_any_buffer_holds_goes_through_while_somebody_reads(pair: StreamPair) -> None:
    content = bytes(range(256)) * 16 * 1024

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read_exactly(pair.right, len(content)))
        for start in range(0, len(content), MAX_PIECE_BYTES):
            await pair.left.write(content[start : start + MAX_PIECE_BYTES], LONG)

    assert reading.result() == content


async def test_what_is_pushed_back_is_read_again_first(pair: StreamPair) -> None:
    await pair.left.write(b"hello", LONG)
    first = await pair.right.read(LONG)

    pair.right.push_back(first[3:])
    pair.right.push_back(first[:3])
    pair.right.push_back(b"")

    assert await read_exactly(pair.right, 5) == b"hello"


async def test_each_end_knows_who_the_other_is(pair: StreamPair) -> None:
    host, _, port = pair.left.peer.rpartition(":")

    assert host
    assert port.isdigit()


# --- ends -----------------------------------------------------------------------------------------------------------


async def test_reading_after_the_peer_half_closes_gives_the_end(pair: StreamPair) -> None:
    await pair.left.write(b"last", LONG)
    await pair.left.write_end()

    assert await read_to_end(pair.right) == b"last"
    assert await pair.right.read(LONG) == b""
    assert pair.right.has_ended
    assert pair.right.ended_cleanly


async def test_after_a_half_close_the_other_direction_stays_open(pair: StreamPair) -> None:
    await pair.left.write_end()
    assert await pair.right.read(LONG) == b""

    await pair.right.write(b"answer", LONG)
    await pair.right.write_end()

    assert await read_to_end(pair.left) == b"answer"


async def test_a_half_close_loses_nothing_that_is_on_its_way_to_us(pair: StreamPair) -> None:
    await pair.right.write(b"already here", LONG)
    while not pair.left.has_unread:
        await asyncio.sleep(0)

    await pair.left.write_end()
    await pair.right.write(b", and more", LONG)
    await pair.right.write_end()

    assert await read_to_end(pair.left) == b"already here, and more"


async def test_what_was_written_before_a_close_still_arrives(pair: StreamPair) -> None:
    content = b"x" * 100_000
    await pair.left.write(content, LONG)

    pair.left.close()

    assert await read_to_end(pair.right) == content
    assert pair.right.ended_cleanly


async def test_a_reset_is_never_taken_for_an_end(pair: StreamPair) -> None:
    await pair.left.write(b"half", LONG)
    assert await pair.right.read(LONG) == b"half"

    pair.left.abort()

    with pytest.raises(StreamReset):
        await pair.right.read(LONG)
    assert pair.right.has_ended
    assert not pair.right.ended_cleanly


async def test_a_reset_wakes_a_reader(pair: StreamPair) -> None:
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(fails_with_reset(pair.right))
        await asyncio.sleep(0)
        pair.left.abort()

    assert reading.result()


async def fails_with_reset(stream: Stream | MemoryStream) -> bool:
    try:
        await stream.read(LONG)
    except StreamReset:
        return True
    return False


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_nothing_can_be_written_after_we_are_gone(pair: StreamPair, ending: str) -> None:
    getattr(pair.left, ending)()

    assert pair.left.is_gone
    with pytest.raises(StreamReset):
        await pair.left.write(b"late", LONG)
    await pair.left.write_end()


async def test_ending_twice_in_any_way_is_harmless(pair: StreamPair) -> None:
    await pair.left.write_end()
    await pair.left.write_end()
    for _ in range(2):
        pair.left.close()
        pair.left.abort()


# --- being told of the end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_the_end_is_told_while_nobody_reads(pair: StreamPair, ending: str) -> None:
    ended = asyncio.Event()
    pair.right.on_end(ended.set)

    getattr(pair.left, ending)()

    await asyncio.wait_for(ended.wait(), LONG)
    assert pair.right.has_ended


async def test_an_end_that_has_come_is_told_at_once(pair: StreamPair) -> None:
    pair.left.close()
    assert await pair.right.read(LONG) == b""
    waited = asyncio.Event()
    pair.right.on_end(waited.set)
    await asyncio.wait_for(waited.wait(), LONG)

    calls: list[str] = []
    pair.right.on_end(lambda: calls.append("ended"))

    assert calls == ["ended"]


async def test_nobody_is_told_who_no_longer_wants_to_know(pair: StreamPair) -> None:
    calls: list[str] = []
    pair.right.on_end(lambda: calls.append("ended"))
    pair.right.on_end(None)

    pair.left.close()
    assert await pair.right.read(LONG) == b""

    assert calls == []


# --- deadlines ------------------------------------------------------------------------------------------------------


async def test_a_silent_peer_meets_the_deadline_and_the_stream_stays_usable(pair: StreamPair) -> None:
    with pytest.raises(StreamTimeout):
        await pair.right.read(SHORT)

    await pair.left.write(b"after all", LONG)

    assert await pair.right.read(LONG) == b"after all"


async def test_a_deadline_of_zero_is_met(pair: StreamPair) -> None:
    with pytest.raises(StreamTimeout):
        await pair.right.read(0.0)


async def test_a_peer_that_takes_nothing_meets_the_deadline(pair: StreamPair) -> None:
    with pytest.raises(StreamTimeout):
        await write_without_end(pair.left, SHORT)


async def test_a_writer_that_waits_is_woken_by_a_reset(pair: StreamPair) -> None:
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(writes_until_reset(pair.left))
        await pair.right.read(LONG)
        await asyncio.sleep(0)
        pair.right.abort()

    assert writing.result()


async def write_without_end(stream: Stream | MemoryStream, timeout: float) -> None:
    while True:
        await stream.write(b"x" * MAX_PIECE_BYTES, timeout)


async def writes_until_reset(stream: Stream | MemoryStream) -> bool:
    try:
        await write_without_end(stream, LONG)
    except StreamReset:
        return True
    return False


async def test_a_reader_that_was_cancelled_leaves_the_stream_usable(pair: StreamPair) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await pair.right.read(LONG)

    await pair.left.write(b"still here", LONG)

    assert await pair.right.read(LONG) == b"still here"
