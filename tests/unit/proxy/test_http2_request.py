"""A request's stream: what the client gets and when, and how each side's failure reaches the other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.fakes.http2_in_memory import answer, ask, refuse
from tests.fakes.served import OK, turns
from tests.fakes.transforms import FakeTransform
from tests.unit.proxy.http2_served import Http2Caller, Http2Served

from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import Reject, Verdict
from iron_proxy.protocols.http2.events import (
    DataReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.limits import STREAM_WINDOW
from iron_proxy.proxy.http2_request import Http2Request

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
async def proxy() -> AsyncIterator[Http2Served]:
    async with Http2Served() as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Http2Served) -> Http2Caller:
    return await proxy.call().greeted()


@pytest.fixture
async def over() -> AsyncIterator[Http2Served]:
    """One whose upstreams speak HTTP/2 as well."""
    async with Http2Served(speaks=("h2",)) as proxy:
        yield proxy


def request_of(client: Http2Caller) -> Http2Request:
    """The stream that is open."""
    [request] = client.connection.streams.values()
    return request


async def answered_with(proxy: Http2Served, client: Http2Caller, response: bytes, method: str = "GET") -> int:
    stream_id = ask(client, method=method)
    (await proxy.http1_upstream()).send(response)
    return stream_id


# --- responses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "response", "status", "length"),
    [
        ("HEAD", HEAD + b"Content-Length: 7\r\n\r\n", 200, b"7"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, b"7"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, None),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        ("GET", HEAD + b"Content-Length: 0\r\n\r\n", 200, b"0"),
    ],
    ids=["HEAD", "304 with a length", "304", "204", "empty"],
)
async def test_a_response_without_a_body_ends_with_its_head(
    proxy: Http2Served, client: Http2Caller, method: str, response: bytes, status: int, length: bytes | None
) -> None:
    await answered_with(proxy, client, response, method)

    event = await client.take(ResponseReceived)

    assert (event.head.status, event.ends) == (status, True)
    assert dict(event.head.pairs).get(b"content-length") == length or event.head.declared_length == int(length or 0)


@pytest.mark.parametrize(
    "response",
    [HEAD + b"Content-Length: 5\r\n\r\nhello", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ids=["sized", "chunked"],
)
async def test_a_body_goes_out_and_ends(proxy: Http2Served, client: Http2Caller, response: bytes) -> None:
    stream_id = await answered_with(proxy, client, response)

    assert await client.answer_to(stream_id) == (200, b"hello")
    await client.take(StreamEnded)
    assert await proxy.actions() == [("allow", 200)]


async def test_trailers_go_out_behind_the_body(proxy: Http2Served, client: Http2Caller) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    await answered_with(proxy, client, head + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")

    assert list((await client.take(TrailersReceived)).pairs) == [(b"x-sum", b"1")]


async def test_pieces_go_out_as_they_come(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = ask(client)
    upstream = await proxy.http1_upstream()
    upstream.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    assert not (await client.take(ResponseReceived)).ends

    for piece in (b"one", b"two"):
        upstream.send(b"3\r\n" + piece + b"\r\n")
        assert (await client.take(DataReceived, stream_id)).data == piece


async def test_informational_heads_go_out_except_ours(over: Http2Served) -> None:
    client = await over.call().greeted()
    ask(client)
    upstream = await over.http2_upstream()
    asked = await upstream.take(RequestReceived)
    for status in (100, 103, 200):
        answer(upstream, asked.stream_id, status=status)

    assert [(await client.take(ResponseReceived)).head.status for _ in range(2)] == [103, 200]


async def test_a_body_that_is_cut_is_reset(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = ask(client)
    upstream = await proxy.http1_upstream()
    upstream.send(HEAD + b"Content-Length: 10\r\n\r\nhello")
    await client.take_body(stream_id, 5)
    upstream.stream.abort()

    assert (await client.take(StreamReset)).code == ErrorCode.INTERNAL_ERROR
    assert not any(isinstance(event, StreamEnded) for event in client.events)
    assert await proxy.actions() == [("error", 502)]


@pytest.mark.parametrize("code", [ErrorCode.INTERNAL_ERROR, ErrorCode.REFUSED_STREAM])
async def test_a_body_that_the_upstream_resets_is_reset(over: Http2Served, code: ErrorCode) -> None:
    client = await over.call().greeted()
    stream_id = ask(client)
    upstream = await over.http2_upstream()
    asked = await upstream.take(RequestReceived)
    answer(upstream, asked.stream_id, b"hello", end=False)
    await client.take_body(stream_id, 5)
    refuse(upstream, asked.stream_id, code)

    assert (await client.take(StreamReset)).code == ErrorCode.INTERNAL_ERROR
    assert await over.actions() == [("error", 502)]
    assert len(over.origin.permits) == 1


async def test_an_upstream_that_fails_before_its_answer_is_a_502(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = ask(client)
    (await proxy.http1_upstream()).stream.close()

    assert (await client.answer_to(stream_id))[0] == 502
    await client.take(StreamEnded)


async def test_a_client_that_does_not_read_is_given_up(proxy: Http2Served, client: Http2Caller) -> None:
    client.is_slow = True
    ask(client)
    upstream = await proxy.http1_upstream()
    upstream.send(HEAD + b"Content-Length: 1000000\r\n\r\n" + bytes(2 * STREAM_WINDOW))
    await client.take_all()
    request = request_of(client)
    request.write_deadline -= 1e6
    request.expire()

    assert (await client.take(StreamReset)).code == ErrorCode.INTERNAL_ERROR
    assert await upstream.is_reset()
    [record] = await proxy.records()
    assert "stopped reading" in str(record)


async def test_a_client_that_does_not_read_stops_its_upstream_and_no_other(over: Http2Served) -> None:
    client = await over.call().greeted()
    client.is_slow = True
    ask(client)
    upstream = await over.http2_upstream()
    asked = await upstream.take(RequestReceived)
    upstream.core.send_head(asked.stream_id, 200, [], end=False)
    sent = 0
    for _ in range(20):
        sent += upstream.core.send_data(asked.stream_id, bytes(STREAM_WINDOW), end=False)
        upstream.flush()
        await turns()
        await client.take_all()
        await upstream.take_all()
    assert sent <= 4 * STREAM_WINDOW

    other = ask(client)
    request = await upstream.take(RequestReceived)
    answer(upstream, request.stream_id, b"ok")
    assert await client.answer_to(other) == (200, b"ok")


# --- request bodies -------------------------------------------------------------------------------------------------


async def upload(proxy: Http2Served, client: Http2Caller, **more: Any) -> int:
    """A request whose first half has come."""
    stream_id = ask(client, method="POST", end=False, **more)
    client.core.send_data(stream_id, b"hello", end=False)
    client.flush()
    await (await proxy.http1_upstream()).receive_until(b"hello")
    return stream_id


async def test_an_upload_is_passed_on_to_its_end(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = await upload(proxy, client, length=10)
    client.core.send_data(stream_id, b"world", end=True)
    client.flush()
    upstream = await proxy.http1_upstream()
    await upstream.receive_until(b"world")
    upstream.send(OK)

    assert await client.answer_to(stream_id) == (200, b"ok")


async def test_an_upload_that_the_client_cuts_never_ends_like_a_whole_one(
    proxy: Http2Served, client: Http2Caller
) -> None:
    stream_id = await upload(proxy, client)
    client.core.reset(stream_id)
    client.flush()

    assert await (await proxy.http1_upstream()).is_reset()
    assert (await proxy.records())[0]["action"] == "client_cancel"


async def test_an_upload_that_breaks_its_length_never_ends_like_a_whole_one(
    proxy: Http2Served, client: Http2Caller
) -> None:
    stream_id = await upload(proxy, client, length=10)
    client.core.send_data(stream_id, b"", end=True)
    client.flush()

    assert (await client.take(StreamReset)).code == ErrorCode.PROTOCOL_ERROR
    assert await (await proxy.http1_upstream()).is_reset()
    assert await proxy.actions() == [("reject", 400)]


async def test_an_upload_that_stops_is_given_up(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = await upload(proxy, client)
    request = request_of(client)
    request.deadline = 0.0
    request.expire()

    assert (await client.answer_to(stream_id))[0] == 408
    assert await (await proxy.http1_upstream()).is_reset()


async def test_after_an_early_answer_the_rest_is_not_wanted(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = await upload(proxy, client)
    (await proxy.http1_upstream()).send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")

    assert await client.answer_to(stream_id) == (413, b"big")
    await client.take(StreamEnded)
    assert (await client.take(StreamReset)).code == ErrorCode.NO_ERROR
    assert await proxy.actions() == [("allow", 413)]
    assert client.connection.core.open_streams == 0


async def test_a_refused_upload_is_not_read() -> None:
    def refusing(exchange: Exchange) -> Verdict:
        return Reject("not today")

    async with Http2Served(FakeTransform("rule", refusing)) as proxy:
        client = await proxy.call().greeted()
        stream_id = ask(client, method="POST", end=False)
        client.core.send_data(stream_id, b"hello", end=False)
        client.flush()

        assert (await client.answer_to(stream_id))[0] == 403
        assert (await client.take(StreamReset)).code == ErrorCode.NO_ERROR


async def test_a_client_that_leaves_behind_its_whole_answer_has_had_it(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = await upload(proxy, client)
    request = request_of(client)
    (await proxy.http1_upstream()).send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
    while not request._response_ended:
        await asyncio.sleep(0)
    request.client_has_left()

    assert await client.answer_to(stream_id) == (413, b"big")
    assert await proxy.actions() == [("allow", 413)]


# --- 100-continue ---------------------------------------------------------------------------------------------------


async def test_100_continue_comes_once_policy_has_said_yes(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = ask(client, method="POST", end=False, pairs=[(b"expect", b"100-continue")], length=5)
    assert (await client.take(ResponseReceived)).head.status == 100
    client.core.send_data(stream_id, b"hello", end=True)
    client.flush()
    upstream = await proxy.http1_upstream()
    assert (await upstream.receive_until(b"hello")).lower().count(b"expect") == 0
    upstream.send(OK)

    assert await client.answer_to(stream_id) == (200, b"ok")


async def test_a_refused_request_gets_no_100_continue() -> None:
    def refusing(exchange: Exchange) -> Verdict:
        return Reject("not today")

    async with Http2Served(FakeTransform("rule", refusing)) as proxy:
        client = await proxy.call().greeted()
        ask(client, method="POST", end=False, pairs=[(b"expect", b"100-continue")])

        assert (await client.take(ResponseReceived)).head.status == 403
