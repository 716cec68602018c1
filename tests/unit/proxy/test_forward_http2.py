"""Forwarding to upstreams that speak HTTP/2: what is tried again, what never is, and which version it becomes."""

from collections.abc import AsyncIterator

import pytest
from tests.fakes.http2_in_memory import Http2FarEnd, answer, answer_next, ask, refuse
from tests.fakes.served import OK, turns
from tests.unit.proxy.http2_served import Http2Caller, Http2Served

from iron_proxy.protocols.http2.events import DataReceived, RequestReceived, ResponseReceived, StreamReset
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.server import Http2Server


@pytest.fixture
async def proxy() -> AsyncIterator[Http2Served]:
    async with Http2Served(speaks=("h2", "http/1.1")) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Http2Served) -> Http2Caller:
    return await proxy.call().greeted()


async def upstream_with(proxy: Http2Served, client: Http2Caller) -> Http2FarEnd[Http2Server]:
    """An upstream whose connection has served one request."""
    stream_id = ask(client, b"/first")
    upstream = await proxy.http2_upstream()
    await answer_next(upstream, b"1")
    await client.answer_to(stream_id)
    await proxy.records()
    proxy.written.clear()
    return upstream


def post(client: Http2Caller, body: bytes = b"hello") -> int:
    """A request that must not be done twice, all of it sent at once."""
    stream_id: int = client.core.send_head("POST", "https", b"ok.test", b"/", [], end=False)
    client.core.send_data(stream_id, body, end=True)
    client.flush()
    return stream_id


# --- what is tried again --------------------------------------------------------------------------------------------


async def test_requests_share_a_connection(proxy: Http2Served, client: Http2Caller) -> None:
    upstream = await upstream_with(proxy, client)
    for number in (b"2", b"3"):
        stream_id = ask(client)
        await answer_next(upstream, number)
        assert await client.answer_to(stream_id) == (200, number)

    assert len(proxy.origin.permits) == 1


async def test_a_stream_that_was_refused_is_tried_again_whatever_it_asked(
    proxy: Http2Served, client: Http2Caller
) -> None:
    upstream = await upstream_with(proxy, client)
    stream_id = post(client)
    refuse(upstream, (await upstream.take(RequestReceived)).stream_id)
    second = await upstream.take(RequestReceived)
    assert (await upstream.take(DataReceived, second.stream_id)).data == b"hello"
    answer(upstream, second.stream_id, b"ok")

    assert await client.answer_to(stream_id) == (200, b"ok")
    assert await proxy.actions() == [("allow", 200)]


async def test_a_stream_that_is_always_refused_is_given_up(proxy: Http2Served, client: Http2Caller) -> None:
    upstream = await upstream_with(proxy, client)
    stream_id = post(client)
    for _ in range(4):
        refuse(upstream, (await upstream.take(RequestReceived)).stream_id)

    assert (await client.answer_to(stream_id))[0] == 502
    assert not any(isinstance(event, RequestReceived) for event in await upstream.take_all())
    assert await proxy.actions() == [("error", 502)]


async def test_what_an_upstream_that_goes_away_has_not_seen_goes_elsewhere(
    proxy: Http2Served, client: Http2Caller
) -> None:
    upstream = await upstream_with(proxy, client)
    seen, unseen = ask(client, b"/seen"), post(client)
    asked = await upstream.take(RequestReceived)
    upstream.core.go_away(last_stream=asked.stream_id)
    upstream.flush()
    other = await proxy.http2_upstream(1)
    assert (await answer_next(other, b"elsewhere")).head.method == "POST"
    answer(upstream, asked.stream_id, b"here")

    assert await client.answer_to(unseen) == (200, b"elsewhere")
    assert await client.answer_to(seen) == (200, b"here")
    await turns()
    assert proxy.origin.near[0].is_closed


@pytest.mark.parametrize("ending", ["a reset", "a broken connection", "an end"])
async def test_what_may_have_been_done_is_not_done_twice(proxy: Http2Served, client: Http2Caller, ending: str) -> None:
    upstream = await upstream_with(proxy, client)
    stream_id = post(client)
    asked = await upstream.take(RequestReceived)
    if ending == "a reset":
        refuse(upstream, asked.stream_id, ErrorCode.INTERNAL_ERROR)
    elif ending == "an end":
        upstream.stream.close()
    else:
        upstream.stream.abort()

    assert (await client.answer_to(stream_id))[0] == 502
    assert len(proxy.origin.permits) == 1
    assert not any(isinstance(event, RequestReceived) for event in upstream.events)


async def test_what_a_connection_that_breaks_may_do_twice_is_done_again_once(
    proxy: Http2Served, client: Http2Caller
) -> None:
    upstream = await upstream_with(proxy, client)
    stream_id = ask(client)
    await upstream.take(RequestReceived)
    upstream.stream.close()
    other = await proxy.http2_upstream(1)
    await other.take(RequestReceived)
    other.stream.close()

    assert (await client.answer_to(stream_id))[0] == 502
    assert len(proxy.origin.permits) == 2


async def test_an_answer_that_has_begun_is_not_asked_for_again(proxy: Http2Served, client: Http2Caller) -> None:
    upstream = await upstream_with(proxy, client)
    stream_id = ask(client)
    asked = await upstream.take(RequestReceived)
    answer(upstream, asked.stream_id, status=103)
    upstream.stream.close()

    statuses = [(await client.take(ResponseReceived, stream_id)).head.status for _ in range(2)]

    assert statuses == [103, 502]
    assert len(proxy.origin.permits) == 1


async def test_an_upload_finds_another_connection_before_its_first_byte(
    proxy: Http2Served, client: Http2Caller
) -> None:
    upstream = await upstream_with(proxy, client)
    upstream.core.go_away()
    upstream.flush()
    stream_id = ask(client, method="POST", end=False)
    other = await proxy.http2_upstream(1)
    asked = await other.take(RequestReceived)
    client.core.send_data(stream_id, b"hello", end=True)
    client.flush()
    assert (await other.take(DataReceived)).data == b"hello"
    answer(other, asked.stream_id, b"ok")

    assert await client.answer_to(stream_id) == (200, b"ok")


async def test_an_upload_that_has_begun_is_not_repeated(proxy: Http2Served, client: Http2Caller) -> None:
    upstream = await upstream_with(proxy, client)
    stream_id = ask(client, method="PUT", end=False)
    asked = await upstream.take(RequestReceived)
    refuse(upstream, asked.stream_id)

    assert (await client.answer_to(stream_id))[0] == 502
    assert len(proxy.origin.permits) == 1


async def test_an_upstream_that_does_not_answer_loses_its_stream(proxy: Http2Served, client: Http2Caller) -> None:
    upstream = await upstream_with(proxy, client)
    stream_id = ask(client)
    asked = await upstream.take(RequestReceived)
    [shared] = proxy.services.pool._shared._connections.values()
    [exchange] = shared[0].streams.values()
    exchange.deadline = 0.0
    exchange.expire()

    assert (await client.answer_to(stream_id))[0] == 502
    assert (await upstream.take(StreamReset, asked.stream_id)).code == ErrorCode.CANCEL


# --- versions -------------------------------------------------------------------------------------------------------


async def test_a_request_over_http2_becomes_one_of_http1_where_the_upstream_speaks_that() -> None:
    async with Http2Served(speaks=("http/1.1",)) as proxy:
        client = await proxy.call().greeted()
        for _ in range(2):
            stream_id = ask(client)
            upstream = await proxy.http1_upstream()
            assert (await upstream.receive_until(b"\r\n\r\n")).startswith(b"GET / HTTP/1.1\r\nHost: ok.test\r\n")
            upstream.send(OK)
            assert await client.answer_to(stream_id) == (200, b"ok")

        assert len(proxy.origin.permits) == 1


async def test_a_request_over_http1_becomes_one_of_http2_where_the_upstream_speaks_nothing_else() -> None:
    async with Http2Served(speaks=("h2",)) as proxy:
        client = proxy.open(scheme="https")
        client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 5\r\n\r\nhello")
        upstream = await proxy.http2_upstream()
        asked = await upstream.take(RequestReceived)
        assert (await upstream.take(DataReceived)).data == b"hello"
        answer(upstream, asked.stream_id, b"ok")

        assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_an_early_answer_over_http2_ends_a_client_of_http1(proxy: Http2Served) -> None:
    client = proxy.open(scheme="https")
    proxy.origin.speaks = ("h2",)
    client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 900000\r\n\r\n" + bytes(400_000))
    upstream = await proxy.http2_upstream()
    upstream.is_slow = True
    asked = await upstream.take(RequestReceived)
    await upstream.take_all()
    answer(upstream, asked.stream_id, status=413)

    assert b"\r\nConnection: close\r\n" in await client.receive_until(b"\r\n\r\n")


@pytest.mark.parametrize("resets", [True, False], ids=["with a reset", "without one"])
async def test_an_early_answer_over_http2_is_passed_on(proxy: Http2Served, client: Http2Caller, resets: bool) -> None:
    upstream = await upstream_with(proxy, client)
    stream_id = ask(client, method="POST", end=False)
    asked = await upstream.take(RequestReceived)
    answer(upstream, asked.stream_id, b"too much", 413)
    if resets:
        refuse(upstream, asked.stream_id, ErrorCode.NO_ERROR)

    assert await client.answer_to(stream_id) == (413, b"too much")
    assert (await client.take(StreamReset)).code == ErrorCode.NO_ERROR
    assert await proxy.actions() == [("allow", 413)]


async def test_a_body_of_http2_that_is_cut_is_cut_in_http1(proxy: Http2Served) -> None:
    proxy.origin.speaks = ("h2",)
    client = proxy.open(scheme="https")
    client.send(b"GET / HTTP/1.1\r\nHost: ok.test\r\n\r\n")
    upstream = await proxy.http2_upstream()
    asked = await upstream.take(RequestReceived)
    answer(upstream, asked.stream_id, b"half", end=False)
    await client.receive_until(b"half")
    refuse(upstream, asked.stream_id, ErrorCode.INTERNAL_ERROR)

    assert await client.is_reset()
