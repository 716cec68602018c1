"""The end of a session that we end: a Close to both sides where a frame may stand, and no waiting for long."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair
from tests.wire.websocket_frames import CLOSE, MASK, TEXT, frame, messages_of
from websockets.frames import Close
from websockets.protocol import Protocol, Side

from iron_proxy.protocols.websocket_close import GOING_AWAY, close_frame
from iron_proxy.protocols.websocket_messages import PROTOCOL_ERROR, MessageRewriting, TextStream
from iron_proxy.proxy import timeouts
from iron_proxy.proxy.upgraded_session import UpgradedSession
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.http1_reader import Stream

LONG = 5.0
STOPPING = "the proxy is shutting down"
HELLO = b"\x81\x05hello"
ANSWER = close_frame(GOING_AWAY, "")
MASKED_ANSWER = close_frame(GOING_AWAY, "", b"mask")


class Session:
    """A session between two memory streams; `client` and `upstream` are the far ends."""

    def __init__(self, *, is_websocket: bool = True, rewriting: Sequence[MessageRewriting] = ()) -> None:
        self._client_pair, self._upstream_pair = MemoryStreamPair(), MemoryStreamPair()
        self.client, self.upstream = self._client_pair.left, self._upstream_pair.left
        self.session = UpgradedSession(
            cast(Stream, self._client_pair.right), cast(Stream, self._upstream_pair.right),
            idle_timeout=LONG, write_timeout=LONG, max_duration=None, is_websocket=is_websocket, rewriting=rewriting,
        )  # fmt: skip
        self.running = asyncio.get_running_loop().create_task(self.session.run())

    async def stop(self) -> None:
        """What a stop does, once all that was sent has arrived."""
        for _ in range(10):
            await asyncio.sleep(0)
        self.running.cancel()


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    session = Session()
    yield session
    session.running.cancel()
    await asyncio.gather(session.running, return_exceptions=True)


async def read_to_end(stream: MemoryStream) -> tuple[bytes, bool]:
    """(what came, whether it ended in order)."""
    data = b""
    try:
        while piece := await stream.read(LONG):
            data += piece
    except StreamReset:
        return data, False
    return data, True


async def test_a_stop_says_close_to_both_sides_and_takes_their_answers(session: Session) -> None:
    await session.client.write(HELLO, LONG)
    assert await session.upstream.read(LONG) == HELLO
    await session.stop()
    to_client, to_upstream = await session.client.read(LONG), await session.upstream.read(LONG)
    server = Protocol(Side.SERVER)
    server.receive_data(to_upstream)
    await session.client.write(b"\x81\x00" + MASKED_ANSWER, LONG)
    await session.upstream.write(ANSWER, LONG)
    await session.running

    assert to_client == close_frame(GOING_AWAY, STOPPING)
    assert server.close_rcvd == Close(1001, STOPPING)
    assert await read_to_end(session.client) == (b"", True)
    assert await read_to_end(session.upstream) == (b"", True)


async def test_a_session_that_ended_in_order_has_not_been_cancelled(session: Session) -> None:
    await session.stop()
    await session.client.write(MASKED_ANSWER, LONG)
    await session.upstream.write(ANSWER, LONG)

    await session.running

    assert not session.running.cancelled()
    assert session.running.cancelling() == 0


@pytest.mark.parametrize("size", range(1, len(HELLO)))
async def test_in_the_middle_of_a_frame_the_connection_is_broken(session: Session, size: int) -> None:
    await session.upstream.write(HELLO + HELLO[:size], LONG)
    assert await session.client.read(LONG) == HELLO + HELLO[:size]
    await session.stop()
    await session.upstream.read(LONG)
    await session.upstream.write(HELLO[size:] + ANSWER, LONG)
    await session.running

    assert await read_to_end(session.client) == (b"", False)


async def test_what_came_with_the_101_is_followed_too(session: Session) -> None:
    assert session.session.first_to_client(HELLO[:3]) == HELLO[:3]
    await session.stop()
    await session.upstream.read(LONG)
    await session.upstream.write(HELLO[3:] + ANSWER, LONG)
    await session.running

    assert await read_to_end(session.client) == (b"", False)


async def test_behind_a_close_that_went_by_none_is_added(session: Session) -> None:
    await session.upstream.write(ANSWER, LONG)
    assert await session.client.read(LONG) == ANSWER
    await session.stop()
    await session.client.write(MASKED_ANSWER, LONG)
    await session.running

    assert await read_to_end(session.client) == (b"", True)


async def test_a_side_that_does_not_answer_is_not_waited_for_long(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "WEBSOCKET_CLOSE", 0.01)
    await session.stop()

    await session.running

    assert await read_to_end(session.client) == (close_frame(GOING_AWAY, STOPPING), True)


async def test_a_second_stop_cuts_at_once(session: Session) -> None:
    await session.stop()
    assert await session.client.read(LONG)

    await session.stop()

    with pytest.raises(asyncio.CancelledError):
        await session.running


async def test_a_side_that_has_gone_does_not_keep_the_other_from_its_close(session: Session) -> None:
    await session.stop()
    session.client.abort()
    to_upstream = await session.upstream.read(LONG)
    await session.upstream.write(ANSWER, LONG)
    await session.running

    assert to_upstream[:2] == bytes((0x88, 0x80 | 2 + len(STOPPING)))


async def test_a_stop_cuts_a_session_of_another_protocol() -> None:
    session = Session(is_websocket=False)
    await session.stop()

    with pytest.raises(asyncio.CancelledError):
        await session.running
    assert await read_to_end(session.client) == (b"", False)
    assert await read_to_end(session.upstream) == (b"", False)


# --- messages that are rewritten ------------------------------------------------------------------------------------


class Replacing:
    """Rewrites one byte, as both a rewriter and a stream of it."""

    def __init__(self, old: bytes, new: bytes) -> None:
        self._old, self._new = old, new

    def begin(self, beginning: bytes) -> TextStream:
        return self

    def feed(self, piece: bytes) -> bytes:
        return piece.replace(self._old, self._new)

    def end(self) -> bytes:
        return b""


@pytest.fixture
async def rewriting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    monkeypatch.setattr(timeouts, "WEBSOCKET_CLOSE", 0.01)
    session = Session(rewriting=[MessageRewriting(Replacing(b"t", b"SECRET"), Replacing(b"s", b"TOKEN"))])
    yield session
    session.running.cancel()
    await asyncio.gather(session.running, return_exceptions=True)


async def test_text_messages_are_rewritten_both_ways(rewriting: Session) -> None:
    await rewriting.client.write(frame(TEXT, b"a t", mask=MASK), LONG)
    await rewriting.upstream.write(frame(TEXT, b"a s"), LONG)

    assert messages_of(await rewriting.upstream.read(LONG)) == [(TEXT, b"a SECRET")]
    assert messages_of(await rewriting.client.read(LONG)) == [(TEXT, b"a TOKEN")]


@pytest.mark.slow
async def test_each_direction_may_be_left_alone() -> None:
    session = Session(rewriting=[MessageRewriting(None, None)])
    await session.client.write(b"\xc1\x81mask.", LONG)            # a compressed message

    assert await session.upstream.read(LONG) == b"\xc1\x81mask."
    session.running.cancel()
    await asyncio.gather(session.running, return_exceptions=True)


async def test_what_came_with_the_101_is_rewritten_too(rewriting: Session) -> None:
    first = rewriting.session.first_to_client(frame(TEXT, b"s") + frame(TEXT, b"s")[:2])
    await rewriting.upstream.write(b"s", LONG)

    assert messages_of(first) == [(TEXT, b"TOKEN")]
    assert messages_of(await rewriting.client.read(LONG)) == [(TEXT, b"TOKEN")]


async def test_a_stop_may_come_in_the_middle_of_a_message_that_is_held(rewriting: Session) -> None:
    await rewriting.client.write(frame(TEXT, b"a long t", mask=MASK)[:9], LONG)
    await rewriting.stop()
    closes = [messages_of(await side.read(LONG)) for side in (rewriting.client, rewriting.upstream)]
    await rewriting.client.write(frame(TEXT, b"a long t", mask=MASK)[9:] + b"\x88\x80" + MASK, LONG)
    await rewriting.upstream.write(ANSWER, LONG)
    await rewriting.running

    assert closes == [[(CLOSE, GOING_AWAY.to_bytes(2) + STOPPING.encode())]] * 2
    assert await read_to_end(rewriting.client) == (b"", True)


@pytest.mark.parametrize("by_client", [True, False])
async def test_whoever_breaks_the_protocol_both_sides_are_told(rewriting: Session, by_client: bool) -> None:
    offender = rewriting.client if by_client else rewriting.upstream
    await offender.write(b"\xc1\x81mask.", LONG)

    closes = [messages_of(await side.read(LONG)) for side in (rewriting.client, rewriting.upstream)]
    await rewriting.running

    assert [[opcode for opcode, _ in close] for close in closes] == [[CLOSE], [CLOSE]]
    assert all(close[0][1].startswith(PROTOCOL_ERROR.to_bytes(2)) for close in closes)
