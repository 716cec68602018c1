"""One stream: pieces come in and go out as windows allow, every wait ends, and credit is given back once."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.http2_in_memory import Http2FarEnd, ask
from tests.fakes.memory_stream import MemoryStreamPair
from tests.fakes.served import LONG, turns
from tests.unit.streams.http2_roles import PlainSession, PlainStream

from iron_proxy.errors import ClientDisconnected, ClientTimeout
from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import DataReceived, StreamEnded, StreamReset, TrailersReceived
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.limits import STREAM_WINDOW
from iron_proxy.streams import http2_stream
from iron_proxy.streams.deadlines import sweep_of

FAILURE = ClientDisconnected("it left")


class Conversation:
    """A client that has sent a head, and the stream that serves it."""

    def __init__(self, pair: MemoryStreamPair) -> None:
        self.session = PlainSession(pair.left)
        self.client = Http2FarEnd(pair.right, Http2Client())
        self.client.flush()
        self.id = ask(self.client, method="POST", end=False)

    async def begin(self) -> PlainStream:
        await self.arrives()
        return self.session.answer(self.id)

    async def arrives(self) -> None:
        """Everything that the client has sent is handed on."""
        self.client.flush()
        await turns()
        while self.session.stream.has_unread:
            await self.session.read_frames(LONG)


@pytest.fixture
async def pair() -> AsyncIterator[MemoryStreamPair]:
    async with MemoryStreamPair() as pair:
        yield pair


@pytest.fixture
async def talk(pair: MemoryStreamPair) -> Conversation:
    return Conversation(pair)


@pytest.fixture
async def stream(talk: Conversation) -> PlainStream:
    return await talk.begin()


def overdue(stream: PlainStream) -> None:
    """The deadline of the wait that is going on passes."""
    stream.deadline = min(stream.deadline, stream.deadline - 1e6)
    stream.write_deadline -= 1e6
    stream.expire()


async def started(coroutine: "asyncio.Future[bytes] | object") -> "asyncio.Task[object]":
    task: asyncio.Task[object] = asyncio.ensure_future(coroutine)  # type: ignore[arg-type]  # any awaitable
    await turns(3)
    return task


# --- reading --------------------------------------------------------------------------------------------------------


async def test_pieces_that_are_here_are_joined(stream: PlainStream) -> None:
    stream.receive_data(b"one", 3)
    stream.receive_data(b"two", 3)

    assert await stream.read_body() == b"onetwo"
    assert stream.read_body_nowait() is None


async def test_a_joined_piece_is_not_larger_than_it_need_be(
    stream: PlainStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_stream, "MAX_PIECE_BYTES", 4)
    monkeypatch.setattr(http2_stream, "MIN_PIECE_BYTES", 1)
    for piece in (b"one", b"two", b"three"):
        stream.receive_data(piece, 1)

    assert [stream.read_body_nowait(), stream.read_body_nowait(), stream.read_body_nowait()] == [
        b"onetwo",
        b"three",
        None,
    ]


async def test_small_pieces_that_wait_are_one_piece_with_all_their_credit(
    talk: Conversation, stream: PlainStream
) -> None:
    given: list[tuple[int, int]] = []
    talk.session.give_credit = lambda *credit: given.append(credit)  # type: ignore[method-assign]
    for piece in (b"one", b"two", b"x" * http2_stream.MIN_PIECE_BYTES, b"three"):
        stream.receive_data(piece, len(piece) + 1)

    assert [len(piece) for piece, _ in stream._pieces] == [6, http2_stream.MIN_PIECE_BYTES, 5]
    stream.discard()
    assert sum(credit for _, credit in given) == 11 + http2_stream.MIN_PIECE_BYTES + 4


async def test_a_reader_is_woken_by_a_piece(stream: PlainStream) -> None:
    reading = await started(stream.read_body())
    stream.receive_data(b"late", 4)

    assert await reading == b"late"


@pytest.mark.parametrize("at_once", [True, False], ids=["with its last piece", "behind it"])
async def test_a_message_has_ended_once_its_last_piece_is_read(stream: PlainStream, at_once: bool) -> None:
    stream.receive_data(b"all", 3)
    if at_once:
        stream.receive_end()
    assert not stream.message_ended

    assert await stream.read_body() == b"all"
    assert stream.message_ended is at_once
    stream.receive_end()

    assert await stream.read_body() == b""
    assert stream.read_body_nowait() == b""
    assert stream.message_ended


async def test_a_reader_is_woken_by_the_end(stream: PlainStream) -> None:
    reading = await started(stream.read_body())
    stream.receive_trailers([(b"x-sum", b"1")])
    stream.receive_end()

    assert await reading == b""
    assert stream.trailers == [(b"x-sum", b"1")]


async def test_a_frame_without_content_is_not_a_piece(stream: PlainStream) -> None:
    stream.receive_data(b"", 8)

    assert stream.read_body_nowait() is None


async def test_a_reader_is_woken_by_a_failure(stream: PlainStream) -> None:
    reading = await started(stream.read_body())
    stream.fail(FAILURE)

    with pytest.raises(ClientDisconnected):
        await reading


async def test_what_came_before_a_failure_is_read_before_it_is_met(stream: PlainStream) -> None:
    stream.receive_data(b"half", 4)
    stream.fail(FAILURE)
    stream.fail(ClientTimeout("too late"))

    assert await stream.read_body() == b"half"
    assert stream.read_body_nowait() is None
    with pytest.raises(ClientDisconnected, match="it left"):
        await stream.read_body()


async def test_a_failure_behind_a_whole_message_does_not_take_it_back(stream: PlainStream) -> None:
    stream.receive_data(b"all", 3)
    stream.receive_end()
    stream.fail(FAILURE)

    assert [await stream.read_body(), await stream.read_body()] == [b"all", b""]


async def test_a_reader_does_not_wait_for_ever(talk: Conversation, stream: PlainStream) -> None:
    reading = await started(stream.read_body())
    overdue(stream)

    with pytest.raises(ClientTimeout, match="nothing came"):
        await reading
    assert talk.session.noted[-1] == "doubt"


async def test_a_deadline_is_met_by_the_sweep(stream: PlainStream) -> None:
    stream.body_timeout = -1.0
    reading = await started(stream.read_body())

    sweep_of(asyncio.get_running_loop())._sweep()

    with pytest.raises(ClientTimeout):
        await reading


async def test_a_stream_that_waits_for_nothing_has_no_deadline(stream: PlainStream) -> None:
    reading = await started(stream.read_body())
    stream.receive_data(b"x", 1)
    await reading

    assert (stream.deadline, stream.write_deadline) == (float("inf"), float("inf"))


async def test_a_reader_that_is_cancelled_leaves_nothing_behind(stream: PlainStream) -> None:
    reading = await started(stream.read_body())
    reading.cancel()
    await turns()
    assert stream.deadline == float("inf")

    stream.receive_data(b"later", 5)
    stream.expire()

    assert await stream.read_body() == b"later"


async def test_a_piece_and_a_deadline_at_once_do_no_harm(stream: PlainStream) -> None:
    reading = await started(stream.read_body())
    stream.receive_data(b"just", 4)
    overdue(stream)
    stream.fail(FAILURE)

    assert await reading == b"just"


async def test_the_sender_goes_on_when_its_bytes_are_read_and_not_before(
    talk: Conversation, stream: PlainStream
) -> None:
    talk.session.flush()
    await talk.client.take_all()
    talk.client.core.send_data(talk.id, bytes(STREAM_WINDOW), end=False)
    await talk.arrives()
    await talk.client.take_all()
    assert talk.client.core.window(talk.id) == 0

    await stream.read_body()
    await talk.client.take_all()

    assert talk.client.core.window(talk.id) == STREAM_WINDOW


# --- sending --------------------------------------------------------------------------------------------------------


async def test_a_piece_and_the_end_arrive(talk: Conversation, stream: PlainStream) -> None:
    await stream.send_piece(b"hello", end=True)

    assert (await talk.client.take(DataReceived)).data == b"hello"
    await talk.client.take(StreamEnded)


@pytest.mark.parametrize("trailers", [[], [(b"x-sum", b"1")]], ids=["no trailers", "trailers"])
async def test_a_message_is_ended_behind_its_pieces(
    talk: Conversation, stream: PlainStream, trailers: list[tuple[bytes, bytes]]
) -> None:
    await stream.send_piece(b"hello")
    stream.end(trailers)

    await talk.client.take(StreamEnded)
    assert [list(event.pairs) for event in talk.client.events if isinstance(event, TrailersReceived)] == (
        [trailers] if trailers else []
    )


async def test_a_large_piece_goes_as_the_window_opens(talk: Conversation, stream: PlainStream) -> None:
    talk.client.is_slow = True
    sending = await started(stream.send_piece(bytes(3 * STREAM_WINDOW), end=True))
    got = 0
    while got < 3 * STREAM_WINDOW:
        piece = await talk.client.take(DataReceived)
        got += len(piece.data)
        talk.client.core.give_credit(talk.id, piece.credit)
        await talk.arrives()

    await asyncio.wait_for(sending, LONG)
    await talk.client.take(StreamEnded)


async def blocked(talk: Conversation, stream: PlainStream) -> "asyncio.Task[object]":
    """A sender whose peer's window is full."""
    talk.client.is_slow = True
    sending = await started(stream.send_piece(bytes(2 * STREAM_WINDOW)))
    await talk.client.take_all()
    assert stream.is_blocked
    return sending


async def time_passes() -> None:
    """As little as the loop's clock can tell."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    while loop.time() == now:
        await asyncio.sleep(0)


async def test_a_sender_is_woken_by_a_failure(talk: Conversation, stream: PlainStream) -> None:
    sending = await blocked(talk, stream)
    stream.fail(FAILURE)

    with pytest.raises(ClientDisconnected):
        await sending


async def test_a_sender_does_not_wait_for_ever(talk: Conversation, stream: PlainStream) -> None:
    sending = await blocked(talk, stream)
    overdue(stream)

    with pytest.raises(ClientTimeout, match="nothing was taken"):
        await sending
    assert talk.session.noted[-1] == "doubt"


async def test_a_window_that_opens_by_a_byte_now_and_then_gives_no_more_time(
    talk: Conversation, stream: PlainStream
) -> None:  # CVE-2019-9511
    sending = await blocked(talk, stream)
    deadline = stream.write_deadline
    for grant in range(3):
        talk.session.core._streams[talk.id].send_window += grant
        await time_passes()
        stream.wake_sender()
        await turns()

    assert stream.write_deadline == deadline
    sending.cancel()


async def test_a_window_that_opens_well_gives_more_time(talk: Conversation, stream: PlainStream) -> None:
    sending = await blocked(talk, stream)
    deadline = stream.write_deadline
    talk.session.core._streams[talk.id].send_window += http2_stream.MIN_PROGRESS_BYTES
    await time_passes()
    stream.wake_sender()
    await turns()

    assert stream.write_deadline > deadline
    sending.cancel()


async def test_a_sender_that_is_cancelled_leaves_nothing_behind(talk: Conversation, stream: PlainStream) -> None:
    sending = await blocked(talk, stream)
    sending.cancel()
    await turns()
    assert stream.write_deadline == float("inf")

    stream.wake_sender()
    stream.expire()

    assert not stream.is_blocked


async def test_behind_a_failure_nothing_is_sent(stream: PlainStream) -> None:
    stream.fail(FAILURE)

    with pytest.raises(ClientDisconnected):
        await stream.send_piece(b"x")
    with pytest.raises(ClientDisconnected):
        stream.end([])


async def test_a_stream_is_reset_with_a_reason(talk: Conversation, stream: PlainStream) -> None:
    stream.reset(ErrorCode.INTERNAL_ERROR)

    assert (await talk.client.take(StreamReset)).code == ErrorCode.INTERNAL_ERROR
