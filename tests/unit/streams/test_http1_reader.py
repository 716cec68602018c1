"""Heads and body pieces on demand, each wait with its own deadline, each failure the right side's fault."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from tests.fakes.loopback import LoopbackStreamPair, TLSStreamPair
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair

from iron_proxy.errors import (
    BadRequest,
    ClientDisconnected,
    ClientTimeout,
    UpstreamDisconnected,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from iron_proxy.messages.authority import Target
from iron_proxy.streams.http1_reader import RequestReader, ResponseReader, Stream
from iron_proxy.upstream.http1_client import UpstreamConnection

LONG = 5.0
SHORT = 0.01

GET = b"GET / HTTP/1.1\r\nHost: ok.test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
async def pair() -> AsyncIterator[MemoryStreamPair]:
    async with MemoryStreamPair() as pair:
        yield pair


@pytest.fixture
def requests(pair: MemoryStreamPair) -> RequestReader:
    return RequestReader(cast(Stream, pair.right), LONG)


@pytest.fixture
def responses(pair: MemoryStreamPair) -> ResponseReader:
    return answers_to("GET", cast(Stream, pair.right))


def answers_to(method: str, stream: Stream) -> ResponseReader:
    """A reader that has just been told which request it reads the answer to."""
    connection = UpstreamConnection(stream, ("http", Target("ok.test", 80), False))
    connection.expect(method)
    connection.reader.body_timeout = LONG
    return connection.reader


async def body_of(reader: RequestReader | ResponseReader) -> bytes:
    body = b""
    while piece := await reader.read_body():
        body += piece
    return body


async def trickle(stream: MemoryStream, data: bytes) -> None:
    for position in range(len(data)):
        await stream.write(data[position : position + 1], LONG)
        await asyncio.sleep(0)


# --- requests -------------------------------------------------------------------------------------------------------


async def test_requests_come_one_after_the_other(pair: MemoryStreamPair, requests: RequestReader) -> None:
    await pair.left.write(POST + b"0123456789" + GET + CHUNKED + b"2\r\nok\r\n0\r\nX: y\r\n\r\n", LONG)
    await pair.left.write_end()

    methods, bodies = [], []
    while (head := await requests.read_head(LONG, LONG)) is not None:
        methods.append(head.method)
        bodies.append(await body_of(requests))

    assert methods == ["POST", "GET", "POST"]
    assert bodies == [b"0123456789", b"", b"ok"]
    assert requests.trailers == [(b"X", b"y")]


async def test_the_trailers_of_one_request_are_not_the_next_ones(
    pair: MemoryStreamPair, requests: RequestReader
) -> None:
    await pair.left.write(CHUNKED + b"0\r\nX: y\r\n\r\n" + GET, LONG)
    await requests.read_head(LONG, LONG)
    await body_of(requests)

    await requests.read_head(LONG, LONG)

    assert requests.trailers == []


async def test_a_head_may_arrive_in_pieces(pair: MemoryStreamPair, requests: RequestReader) -> None:
    head, _ = await asyncio.gather(requests.read_head(LONG, LONG), trickle(pair.left, GET))

    assert head is not None
    assert head.host_fields == [b"ok.test"]


async def test_a_body_is_given_as_far_as_it_is_here_without_waiting(
    pair: MemoryStreamPair, requests: RequestReader
) -> None:
    await pair.left.write(POST + b"01234", LONG)
    await requests.read_head(LONG, LONG)

    assert requests.read_body_nowait() == b"01234"
    assert requests.read_body_nowait() is None
    await pair.left.write(b"56789", LONG)
    assert requests.read_body_nowait() is None  # nothing is read from the stream without waiting
    assert await requests.read_body() == b"56789"
    assert requests.read_body_nowait() == b""
    assert requests.message_ended
    assert requests.read_body_nowait() == b""


async def test_a_request_without_a_body_has_ended_with_its_head(
    pair: MemoryStreamPair, requests: RequestReader
) -> None:
    await pair.left.write(GET, LONG)

    await requests.read_head(LONG, LONG)

    assert requests.message_ended
    assert await requests.read_body() == b""


@pytest.mark.parametrize("before", [b"", b"\r\n"], ids=["nothing", "an empty line"])
async def test_a_client_that_closes_between_two_requests_is_no_error(
    pair: MemoryStreamPair, requests: RequestReader, before: bytes
) -> None:
    await pair.left.write(GET + before, LONG)
    await requests.read_head(LONG, LONG)
    pair.left.close()

    assert await requests.read_head(LONG, LONG) is None


async def test_a_client_that_resets_an_idle_connection_is_no_error(
    pair: MemoryStreamPair, requests: RequestReader
) -> None:
    pair.left.abort()

    assert await requests.read_head(LONG, LONG) is None


async def test_a_client_that_says_nothing_is_let_go_without_an_error(requests: RequestReader) -> None:
    assert await requests.read_head(SHORT, LONG) is None


@pytest.mark.parametrize("ending", ["write_end", "close", "abort"])
async def test_a_client_that_leaves_in_the_middle_of_a_head_has_disconnected(
    pair: MemoryStreamPair, requests: RequestReader, ending: str
) -> None:
    await pair.left.write(GET[:-2], LONG)
    await end(pair.left, ending)

    with pytest.raises(ClientDisconnected):
        await requests.read_head(LONG, LONG)


async def end(stream: MemoryStream, ending: str) -> None:
    if ending == "write_end":
        await stream.write_end()
    else:
        getattr(stream, ending)()


@pytest.mark.parametrize("ending", ["write_end", "close", "abort"])
async def test_a_client_that_leaves_in_the_middle_of_a_body_has_disconnected(
    pair: MemoryStreamPair, requests: RequestReader, ending: str
) -> None:
    await pair.left.write(POST + b"01234", LONG)
    await requests.read_head(LONG, LONG)
    await end(pair.left, ending)

    with pytest.raises(ClientDisconnected):
        await body_of(requests)


async def test_a_head_that_trickles_meets_the_deadline_for_heads(
    pair: MemoryStreamPair, requests: RequestReader
) -> None:
    async with asyncio.TaskGroup() as tasks:
        trickling = tasks.create_task(trickle(pair.left, b"GET /" + b"a" * 50_000))
        with pytest.raises(ClientTimeout) as caught:
            await requests.read_head(LONG, SHORT)
        trickling.cancel()

    assert caught.value.status == 408


async def test_a_body_that_does_not_come_meets_its_deadline(pair: MemoryStreamPair) -> None:
    requests = RequestReader(cast(Stream, pair.right), SHORT)
    await pair.left.write(POST, LONG)
    await requests.read_head(LONG, LONG)

    with pytest.raises(ClientTimeout):
        await requests.read_body()


async def test_a_body_that_goes_on_slowly_is_waited_for(pair: MemoryStreamPair) -> None:
    requests = RequestReader(cast(Stream, pair.right), 0.5)
    await pair.left.write(POST, LONG)
    await requests.read_head(LONG, LONG)

    body, _ = await asyncio.gather(body_of(requests), trickle(pair.left, b"0123456789"))

    assert body == b"0123456789"


async def test_a_malformed_request_is_the_clients_fault(pair: MemoryStreamPair, requests: RequestReader) -> None:
    await pair.left.write(b"GET / HTTP/2.0\r\n\r\n", LONG)

    with pytest.raises(BadRequest) as caught:
        await requests.read_head(LONG, LONG)
    assert caught.value.status == 505


# --- responses ------------------------------------------------------------------------------------------------------


async def test_responses_come_one_after_the_other(pair: MemoryStreamPair) -> None:
    connection = UpstreamConnection(cast(Stream, pair.right), ("http", Target("ok.test", 80), False))
    responses = connection.reader
    await pair.left.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", LONG)
    await pair.left.write(OK + b"Content-Length: 5\r\n\r\n", LONG)

    connection.expect("GET")
    assert (await responses.read_head(LONG)).status == 103
    assert (await responses.read_head(LONG)).status == 200
    assert await body_of(responses) == b"ok"
    assert responses.message_ended
    connection.expect("HEAD")
    assert not responses.message_ended
    assert (await responses.read_head(LONG)).declared_length == 5
    assert responses.message_ended
    assert await body_of(responses) == b""


async def test_the_reader_knows_whether_an_upstream_said_anything(pair: MemoryStreamPair) -> None:
    connection = UpstreamConnection(cast(Stream, pair.right), ("http", Target("ok.test", 80), False))
    connection.expect("GET")
    assert not connection.reader.received_any
    await pair.left.write(OK + b"Content-Length: 0\r\n\r\n", LONG)
    await connection.reader.read_head(LONG)
    assert connection.reader.received_any

    connection.expect("GET")

    assert not connection.reader.received_any


@pytest.mark.parametrize("ending", ["write_end", "close", "abort"])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", OK], ids=["nothing", "half a line", "half a head"])
async def test_an_upstream_that_leaves_before_it_answered_has_disconnected(
    pair: MemoryStreamPair, responses: ResponseReader, ending: str, said: bytes
) -> None:
    await pair.left.write(said, LONG)
    await end(pair.left, ending)

    with pytest.raises(UpstreamDisconnected):
        await responses.read_head(LONG)


@pytest.mark.parametrize("ending", ["write_end", "close", "abort"])
@pytest.mark.parametrize(
    "answer",
    [OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello", OK + b"Content-Length: 9\r\n\r\nhello"],
    ids=["chunked", "sized"],
)
async def test_a_truncated_body_is_an_error(
    pair: MemoryStreamPair, responses: ResponseReader, ending: str, answer: bytes
) -> None:  # H1-23
    await pair.left.write(answer, LONG)
    await responses.read_head(LONG)
    await end(pair.left, ending)

    with pytest.raises(UpstreamDisconnected):
        await body_of(responses)


async def test_a_body_without_a_length_ends_with_the_connection(
    pair: MemoryStreamPair, responses: ResponseReader
) -> None:
    await pair.left.write(OK + b"\r\nhello", LONG)
    await responses.read_head(LONG)
    await pair.left.write_end()

    assert await body_of(responses) == b"hello"
    assert responses.message_ended


async def test_a_reset_does_not_end_a_body_without_a_length() -> None:
    async with LoopbackStreamPair() as pair:
        responses = answers_to("GET", pair.right)
        await pair.left.write(OK + b"\r\nhello", LONG)
        await responses.read_head(LONG)
        assert await responses.read_body() == b"hello"
        pair.left.abort()

        with pytest.raises(UpstreamDisconnected):
            await responses.read_body()


@pytest.mark.parametrize("announced", [True, False], ids=["close_notify", "a bare FIN"])
async def test_over_tls_only_an_announced_end_ends_a_body_without_a_length(announced: bool) -> None:
    async with TLSStreamPair() as pair:
        responses = answers_to("GET", pair.right)
        await pair.left.write(OK + b"\r\nhello", LONG)
        await responses.read_head(LONG)
        await (pair.left if announced else pair.below_left).write_end()

        if announced:
            assert await body_of(responses) == b"hello"
        else:
            with pytest.raises(UpstreamDisconnected):
                await body_of(responses)


async def test_over_tls_a_sized_body_needs_no_announced_end() -> None:
    async with TLSStreamPair() as pair:
        responses = answers_to("GET", pair.right)
        await pair.left.write(OK + b"Content-Length: 5\r\n\r\nhello", LONG)
        await responses.read_head(LONG)
        await pair.below_left.write_end()

        assert await body_of(responses) == b"hello"


async def test_a_silent_upstream_meets_its_deadline(responses: ResponseReader) -> None:
    with pytest.raises(UpstreamTimeout):
        await responses.read_head(SHORT)


async def test_an_answer_that_trickles_meets_the_same_deadline(
    pair: MemoryStreamPair, responses: ResponseReader
) -> None:
    async with asyncio.TaskGroup() as tasks:
        trickling = tasks.create_task(trickle(pair.left, OK + b"X: " + b"y" * 50_000))
        with pytest.raises(UpstreamTimeout):
            await responses.read_head(SHORT)
        trickling.cancel()


async def test_a_body_that_stops_meets_its_own_deadline(pair: MemoryStreamPair, responses: ResponseReader) -> None:
    responses.body_timeout = SHORT
    await pair.left.write(OK + b"Content-Length: 9\r\n\r\nhello", LONG)
    await responses.read_head(LONG)
    assert await responses.read_body() == b"hello"

    with pytest.raises(UpstreamTimeout):
        await responses.read_body()


async def test_an_ambiguous_answer_is_the_upstreams_fault(pair: MemoryStreamPair, responses: ResponseReader) -> None:
    await pair.left.write(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", LONG)

    with pytest.raises(UpstreamProtocolError):
        await responses.read_head(LONG)
