"""Events find their streams, bytes go out together, and one stream's trouble is not another's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.fakes.http2_frames import Kind, data, headers, settings, window_update
from tests.fakes.http2_in_memory import Http2FarEnd, ask
from tests.fakes.memory_stream import MemoryStreamPair
from tests.fakes.served import LONG, turns
from tests.unit.streams.http2_roles import PlainSession

from iron_proxy.errors import ClientDisconnected, ClientTimeout, IronProxyError
from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import PeerGoingAway, RequestReceived, SettingsChanged, StreamEnded
from iron_proxy.protocols.http2.frames import PREFACE, ErrorCode
from iron_proxy.protocols.http2.limits import STREAM_WINDOW
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout

REQUEST = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"ok.test"), (b":path", b"/")]


@pytest.fixture
async def pair() -> AsyncIterator[MemoryStreamPair]:
    async with MemoryStreamPair() as pair:
        yield pair


@pytest.fixture
async def session(pair: MemoryStreamPair) -> PlainSession:
    return PlainSession(pair.left)


@pytest.fixture
async def client(pair: MemoryStreamPair, session: PlainSession) -> Http2FarEnd[Http2Client]:
    """A client whose greeting has been read, and which has read ours."""
    client = Http2FarEnd(pair.right, Http2Client())
    client.flush()
    assert await session.read_frames(LONG)
    session.flush()
    await client.take(SettingsChanged)
    session.noted.clear()
    return client


async def opened(session: PlainSession, client: Http2FarEnd[Http2Client], count: int, **more: Any) -> list[int]:
    """So many requests, which the session has read."""
    streams = [ask(client, **more) for _ in range(count)]
    await everything_read(session)
    return streams


async def everything_read(session: PlainSession) -> None:
    while session.stream.has_unread:
        await session.read_frames(LONG)


async def read_to_end(session: PlainSession) -> None:
    while await session.read_frames(LONG):
        pass


def congest(pair: MemoryStreamPair) -> None:
    """Make the peer's TCP window full."""
    pair.left.write_nowait(b"\0" * (300 * 1024))


# --- reading --------------------------------------------------------------------------------------------------------


async def test_the_end_of_the_connection_is_no_error(pair: MemoryStreamPair, session: PlainSession) -> None:
    await pair.right.write_end()

    assert not await session.read_frames(LONG)


async def test_a_connection_that_breaks_is_one(pair: MemoryStreamPair, session: PlainSession) -> None:
    pair.right.abort()

    with pytest.raises(StreamReset):
        await session.read_frames(LONG)


async def test_silence_has_a_deadline(session: PlainSession) -> None:
    with pytest.raises(StreamTimeout):
        await session.read_frames(0)


async def test_heads_are_the_roles_affair(session: PlainSession, client: Http2FarEnd[Http2Client]) -> None:
    await opened(session, client, 1)

    [request] = session.noted
    assert isinstance(request, RequestReceived)
    assert request.head.method == "GET"


async def test_a_body_finds_its_stream(session: PlainSession, client: Http2FarEnd[Http2Client]) -> None:
    one, two = await opened(session, client, 2, method="POST", end=False)
    streams = [session.begin(one), session.begin(two)]
    for stream_id, body in ((two, b"second"), (one, b"first")):
        client.core.send_data(stream_id, body, end=False)
        client.core.send_trailers(stream_id, [(b"x-sum", b"1")])
    client.flush()
    await everything_read(session)

    assert [await stream.read_body() for stream in streams] == [b"first", b"second"]
    assert [await stream.read_body() for stream in streams] == [b"", b""]
    assert [list(stream.trailers) for stream in streams] == [[(b"x-sum", b"1")]] * 2


async def test_the_end_of_a_body_finds_its_stream(session: PlainSession, client: Http2FarEnd[Http2Client]) -> None:
    [stream_id] = await opened(session, client, 1, method="POST", end=False)
    stream = session.begin(stream_id)
    client.core.end_stream(stream_id)
    client.flush()
    await everything_read(session)

    assert stream.message_ended


async def test_a_reset_finds_its_stream(session: PlainSession, client: Http2FarEnd[Http2Client]) -> None:
    one, two = await opened(session, client, 2)
    session.begin(two)
    session.noted.clear()
    for stream_id in (one, two):
        client.core.reset(stream_id, ErrorCode.CANCEL)
    client.flush()
    await everything_read(session)

    assert session.noted == [("reset", two, ErrorCode.CANCEL)]


async def test_a_stream_whose_peer_breaks_a_rule_fails(session: PlainSession, client: Http2FarEnd[Http2Client]) -> None:
    [stream_id] = await opened(session, client, 1, method="POST", length=2, end=False)
    stream = session.begin(stream_id)
    client.core.send_data(stream_id, b"three", end=False)
    client.flush()
    await everything_read(session)

    with pytest.raises(IronProxyError, match="longer than its Content-Length"):
        await stream.read_body()


async def test_what_a_peer_says_of_the_connection_is_the_roles_affair(
    session: PlainSession, client: Http2FarEnd[Http2Client]
) -> None:
    client.core.go_away()
    client.flush()
    client.stream.write_nowait(data(0, b"?"))

    await read_to_end(session)

    assert session.noted[0] == "going away"
    assert len(session.noted) == 2


async def test_when_a_peer_breaks_the_protocol_it_is_told(
    session: PlainSession, client: Http2FarEnd[Http2Client]
) -> None:
    client.stream.write_nowait(data(0, b"?"))

    await read_to_end(session)

    assert (await client.take(PeerGoingAway)).code == ErrorCode.PROTOCOL_ERROR


# --- credit ---------------------------------------------------------------------------------------------------------


async def test_what_comes_for_nobody_is_thrown_away_and_its_credit_given_back(
    session: PlainSession, client: Http2FarEnd[Http2Client]
) -> None:
    [stream_id] = await opened(session, client, 1, method="POST", end=False)

    for _ in range(3 * STREAM_WINDOW // 16_384):
        assert client.core.send_data(stream_id, bytes(16_384), end=False) == 16_384
        client.flush()
        await everything_read(session)
        session.flush()
        await client.take_all()


async def test_what_a_stream_leaves_unread_starves_no_other(
    session: PlainSession, client: Http2FarEnd[Http2Client]
) -> None:
    for _ in range(12):  # three times the connection's window
        [stream_id] = await opened(session, client, 1, method="POST", end=False)
        stream = session.begin(stream_id)
        assert client.core.send_data(stream_id, bytes(STREAM_WINDOW), end=False) == STREAM_WINDOW
        client.flush()
        await everything_read(session)
        stream.reset(ErrorCode.NO_ERROR)
        session.remove(stream)
        session.flush()
        await client.take_all()


# --- writing --------------------------------------------------------------------------------------------------------


async def test_what_is_sent_in_one_turn_of_the_loop_is_one_write(
    session: PlainSession, client: Http2FarEnd[Http2Client]
) -> None:
    for stream_id in await opened(session, client, 2):
        await session.answer(stream_id).send_piece(b"hello", end=True)
    await turns()

    assert (await client.stream.read(LONG)).count(b"hello") == 2


async def test_a_whole_piece_does_not_wait(
    pair: MemoryStreamPair, session: PlainSession, client: Http2FarEnd[Http2Client]
) -> None:
    [stream_id] = await opened(session, client, 1)
    sending = asyncio.create_task(session.answer(stream_id).send_piece(bytes(STREAM_WINDOW), end=True))
    await asyncio.sleep(0)
    sending.cancel()

    assert len(pair.left.written) > STREAM_WINDOW


async def test_a_connection_that_is_gone_is_not_written_to(pair: MemoryStreamPair, session: PlainSession) -> None:
    session.go_away()
    pair.left.close()
    session.flush()

    assert pair.left.written == b""


async def test_a_connection_that_breaks_is_noticed_by_whoever_reads_it(
    pair: MemoryStreamPair, session: PlainSession
) -> None:
    pair.right.abort()
    session.core.ping(b"eight by")

    session.flush()

    assert not session.is_congested


async def test_while_the_peer_takes_nothing_nothing_is_read(
    pair: MemoryStreamPair, session: PlainSession, client: Http2FarEnd[Http2Client]
) -> None:  # its PINGs would be answered into memory
    congest(pair)
    client.core.ping(b"eight by")
    client.flush()
    session.core.ping(b"ours, it")
    session.flush()
    assert session.is_congested
    reading = asyncio.create_task(session.read_frames(LONG))
    await turns()
    assert not reading.done()
    assert pair.left.has_unread

    await pair.right.read(LONG)

    assert await reading
    assert not session.is_congested


@pytest.mark.parametrize("count", [1, 3], ids=["one", "three"])
async def test_a_peer_that_takes_nothing_is_given_up_for_all_streams_at_once(
    pair: MemoryStreamPair, client: Http2FarEnd[Http2Client], session: PlainSession, count: int
) -> None:
    congest(pair)

    drains = [asyncio.create_task(session.drain(0.001))] + [
        asyncio.create_task(session.drain(10 * LONG)) for _ in range(count - 1)
    ]
    async with asyncio.timeout(LONG):
        failures = await asyncio.gather(*drains, return_exceptions=True)

    assert [type(failure) for failure in failures] == [ClientTimeout] + [ClientDisconnected] * (count - 1)
    assert pair.left.was_aborted


async def test_a_writer_that_is_cancelled_makes_room_for_the_next(
    pair: MemoryStreamPair, session: PlainSession
) -> None:
    congest(pair)
    first, second = (asyncio.create_task(session.drain(LONG)) for _ in range(2))
    await turns()
    first.cancel()
    await turns()

    await pair.right.read(LONG)

    await asyncio.wait_for(second, LONG)


# --- the connection's window ----------------------------------------------------------------------------------------


def body_frames(wire: bytes) -> list[tuple[int, int]]:
    """The stream and the size of each DATA frame."""
    found = []
    while wire:
        size, kind, stream_id = int.from_bytes(wire[:3]), wire[3], int.from_bytes(wire[5:9])
        if kind == Kind.DATA:
            found.append((stream_id, size))
        wire = wire[9 + size :]
    return found


async def test_streams_take_turns_at_the_connections_window(pair: MemoryStreamPair, session: PlainSession) -> None:
    """A peer with the windows of RFC 9113, which grants what it has taken: one stream alone would take it all."""
    pair.right.write_nowait(PREFACE + settings() + b"".join(headers(number, REQUEST) for number in (1, 3, 5)))
    await everything_read(session)
    sending = [asyncio.create_task(session.answer(each).send_piece(bytes(1 << 20))) for each in (1, 3, 5)]
    served = []
    for _ in range(6):
        await turns()
        session.flush()
        while pair.right.has_unread:
            for stream_id, size in body_frames(await pair.right.read(LONG)):
                served.append(stream_id)
                pair.right.write_nowait(window_update(0, size) + window_update(stream_id, size))
        await everything_read(session)
    for task in sending:
        task.cancel()

    assert set(served[:12]) == {1, 3, 5}


async def test_room_on_one_stream_wakes_that_stream(session: PlainSession, client: Http2FarEnd[Http2Client]) -> None:
    client.is_slow = True
    one, two = await opened(session, client, 2)
    first, second = session.answer(one), session.answer(two)
    sending = [asyncio.create_task(each.send_piece(bytes(1 << 20))) for each in (first, second)]
    await turns()

    session._wake_senders(two)

    assert [first.is_blocked, second.is_blocked] == [True, False]
    for task in sending:
        task.cancel()


async def test_news_of_a_stream_that_has_gone_is_no_news(
    session: PlainSession, client: Http2FarEnd[Http2Client]
) -> None:
    [stream_id] = await opened(session, client, 1, method="POST", end=False)
    stream = session.answer(stream_id)
    session.remove(stream)
    client.core.end_stream(stream_id)
    client.core.give_credit(stream_id, 0)
    client.flush()

    assert await session.read_frames(LONG)
    assert session.streams == {}
    assert StreamEnded(stream_id) not in session.noted
