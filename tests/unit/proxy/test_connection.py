"""One client's connection: request after request in order, and the short answers of our own."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest
from tests.fakes.served import GET, OK, FarEnd, Served, turns
from tests.fakes.transforms import FakeTransform

from iron_proxy.errors import BadRequest, ClientDisconnected, ClientError, ClientTimeout
from iron_proxy.messages.response import plain_text
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import Reject, Verdict
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead
from iron_proxy.proxy import timeouts
from iron_proxy.proxy.connection import ClientConnection

POST_WITH_EXPECT = b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture
async def proxy() -> AsyncIterator[Served]:
    async with Served() as proxy:
        yield proxy


def request(path: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nHost: ok.test\r\n\r\n"


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


# --- request after request ------------------------------------------------------------------------------------------


async def test_a_kept_connection_serves_one_request_after_the_other(proxy: Served) -> None:
    client = proxy.open()
    for path in (b"/one", b"/two"):
        client.send(request(path))
        upstream = await proxy.upstream()
        await upstream.receive_until(b"\r\n\r\n")
        upstream.send(answer(path))
        assert (await client.receive_until(path)).endswith(b"\r\n\r\n" + path)

    client.stream.close()
    await client.served()

    assert len(proxy.upstreams) == 1
    assert [record["path"] for record in await proxy.records()] == ["/one", "/two"]


async def test_pipelined_requests_are_forwarded_and_answered_in_order(proxy: Served) -> None:
    client = proxy.open()
    client.send(request(b"/one") + request(b"/two"))
    upstream = await proxy.upstream()
    assert b"GET /one " in await upstream.receive_until(b"\r\n\r\n")
    await turns()
    assert not upstream.stream.has_unread

    upstream.send(answer(b"first"))
    assert b"GET /two " in await upstream.receive_until(b"\r\n\r\n")
    upstream.send(answer(b"second"))

    received = await client.receive_until(b"second")
    assert received.index(b"first") < received.index(b"second")
    assert [record["path"] for record in await proxy.records()] == ["/one", "/two"]


async def test_connection_close_of_the_client_is_done_as_it_says(proxy: Served) -> None:
    proxy.answers(OK)
    client = proxy.open()
    client.send(b"GET / HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n" + request(b"/unread"))

    received = await client.receive_to_end()

    assert b"\r\nConnection: close\r\n" in received
    assert received.count(b"HTTP/1.1") == 1
    assert await proxy.actions() == [("allow", 200)]


async def test_a_malformed_first_request_is_answered_and_recorded_once(proxy: Served) -> None:
    client = proxy.open()
    client.send(b"GET / HTTP/9.9\r\n\r\n")
    client.stream.close()

    await client.served()

    assert [record["action"] for record in await proxy.records()] == ["reject"]
    assert (await proxy.records())[0]["status_code"] in (400, 505)
    assert not proxy.upstreams


async def test_a_malformed_second_request_on_a_kept_connection_is_answered_as_well(proxy: Served) -> None:
    proxy.answers(OK)
    client = proxy.open()
    client.send(GET)
    await client.receive_until(b"ok")

    client.send(b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n")
    received = await client.receive_to_end()

    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nConnection: close\r\n" in received
    assert await proxy.actions() == [("allow", 200), ("reject", 400)]


async def test_a_malformed_request_after_a_head_request_is_answered_with_a_body(proxy: Served) -> None:
    proxy.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    client = proxy.open()
    client.send(b"HEAD / HTTP/1.1\r\nHost: ok.test\r\n\r\n")
    await client.receive_until(b"\r\n\r\n")

    client.send(b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n")
    head, _, body = (await client.receive_to_end()).partition(b"\r\n\r\n")

    assert b"Content-Length: %d" % len(body) in head
    assert body


# --- 100-continue ---------------------------------------------------------------------------------------------------


async def test_100_continue_comes_once_policy_has_said_yes(proxy: Served) -> None:
    client = proxy.open()
    client.send(POST_WITH_EXPECT)
    assert await client.receive_until(b"\r\n\r\n") == CONTINUE

    client.send(b"hello")
    upstream = await proxy.upstream()
    assert (await upstream.receive_until(b"hello")).count(b"Expect") == 0
    upstream.send(OK)

    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert await proxy.actions() == [("allow", 200)]


async def test_a_refused_request_gets_no_100_continue() -> None:
    def refuse(exchange: Exchange) -> Verdict:
        return Reject("not today")

    async with Served(FakeTransform("rule", refuse)) as proxy:
        client = proxy.open()
        client.send(POST_WITH_EXPECT)

        received = await client.receive_to_end()

        assert received.startswith(b"HTTP/1.1 403 ")
        assert CONTINUE not in received
        assert await proxy.actions() == [("reject", 403)]


async def test_an_expectation_is_forgotten_with_its_request(proxy: Served) -> None:
    """The body came unasked: the next request must not get a stray 100."""
    client = proxy.open()
    client.send(POST_WITH_EXPECT + b"hello")
    await client.receive_until(CONTINUE)
    upstream = await proxy.upstream()
    await upstream.receive_until(b"hello")
    upstream.send(OK)
    await client.receive_until(b"ok")

    client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 3\r\n\r\nabc")
    await upstream.receive_until(b"abc")
    upstream.send(OK)

    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")


async def test_an_upstreams_own_100_is_not_passed_on(proxy: Served) -> None:
    proxy.answers(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    client = proxy.open()
    client.send(GET)

    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")


# --- answers of our own ---------------------------------------------------------------------------------------------


async def only_answer(client: ClientConnection, head: RequestHead | ClientError) -> None:
    await client.answer(plain_text(200, "fine"))


async def test_a_short_answer_keeps_the_connection(proxy: Served) -> None:
    client = proxy.open(only_answer)
    client.send(GET + GET)

    received = await client.receive_until(b"fine\n") + await client.receive_until(b"fine\n")

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b"Connection: close" not in received


async def test_a_short_answer_to_head_has_no_body(proxy: Served) -> None:
    client = proxy.open(only_answer)
    client.send(b"HEAD / HTTP/1.1\r\nHost: ok.test\r\n\r\n")
    await client.stream.write_end()

    assert (await client.receive_to_end()).endswith(b"Content-Length: 5\r\n\r\n")


@pytest.mark.parametrize(
    ("error", "status"), [(BadRequest("no", 414), b"414"), (ClientTimeout("slow"), b"408")], ids=["bad", "slow"]
)
async def test_an_error_is_answered_with_its_status(proxy: Served, error: ClientError, status: bytes) -> None:
    async def refuse(client: ClientConnection, head: RequestHead | ClientError) -> None:
        await client.answer_error(error)

    client = proxy.open(refuse)
    client.send(GET)
    await client.stream.write_end()

    assert (await client.receive_to_end()).startswith(b"HTTP/1.1 " + status)


async def test_a_client_that_has_left_is_not_answered(proxy: Served) -> None:
    async def refuse(client: ClientConnection, head: RequestHead | ClientError) -> None:
        await client.answer_error(ClientDisconnected("gone"))

    client = proxy.open(refuse)
    client.send(GET)

    assert await client.receive_to_end() == b""


async def test_writing_to_a_client_that_has_left_says_so(proxy: Served) -> None:
    async def write(stream: object) -> None:
        with pytest.raises(ClientDisconnected):
            connection.write_nowait(b"x")

    pair_end = proxy.run(write)
    connection = proxy.connection(pair_end.stream)
    pair_end.stream.abort()

    await pair_end.served()


def informational(status: int) -> ResponseHead:
    head = ResponseHead()
    head.status, head.reason, head.pairs = status, b"Early Hints", [(b"Link", b"</a.css>")]
    return head


@pytest.mark.parametrize(
    ("version", "status", "expected"),
    [
        (b"1.1", 103, b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"),
        (b"1.1", 100, b""),
        (b"1.0", 103, b""),
    ],
    ids=["passed on", "100 is ours", "not for HTTP/1.0"],
)
async def test_informational_answers(proxy: Served, version: bytes, status: int, expected: bytes) -> None:
    async def inform(client: ClientConnection, head: RequestHead | ClientError) -> None:
        await client.send_informational(informational(status))
        client.keep_alive = False

    client = proxy.open(inform)
    client.send(b"GET / HTTP/" + version + b"\r\nHost: ok.test\r\n\r\n")

    assert await client.receive_to_end() == expected


# --- tunnels --------------------------------------------------------------------------------------------------------


async def test_a_stream_that_became_a_tunnel_is_left_open(proxy: Served) -> None:
    async def leave(client: ClientConnection, head: RequestHead | ClientError) -> None:
        client.leave_http()

    client = proxy.open(leave)
    client.send(GET)
    await client.served()

    assert not client.stream.has_ended
    assert proxy.services.connections == set()


async def test_in_a_relay_a_half_close_is_no_departure(proxy: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "HALF_CLOSE_GRACE", 0.0)
    ended = asyncio.Event()

    async def wait(client: ClientConnection, head: RequestHead | ClientError) -> None:
        client.begin_relay()
        await ended.wait()
        client.keep_alive = False

    client = proxy.open(wait)
    client.send(GET)
    await client.stream.write_end()
    await asyncio.sleep(0.005)
    ended.set()

    await client.served()


async def goes_with_its_client(proxy: Served, client: FarEnd) -> bool:
    """Whether the connection is gone once its client is, while the collector does not run."""
    [connection] = [each for each in proxy.services.connections if isinstance(each, ClientConnection)]
    parts: list[object] = [connection, connection.reader.parser]
    gone = [weakref.ref(part) for part in parts]
    parts.clear()
    gc.disable()
    try:
        client.stream.close()
        await client.served()
        del connection
        return [each() for each in gone] == [None, None]
    finally:
        gc.enable()


async def test_a_connection_that_has_ended_does_not_wait_for_the_collector(proxy: Served) -> None:
    """Each is a task, a TLS context and buffers: thousands of them stayed between two collections."""
    proxy.answers(OK)
    client = proxy.open()
    client.send(GET)
    await client.receive_until(b"ok")

    assert await goes_with_its_client(proxy, client)


MALFORMED = b"GET / HTTP/1.1\r\nHost: ok.test\r\n: x\r\n\r\n"


async def test_nor_does_one_that_a_malformed_request_has_ended(proxy: Served) -> None:
    """The error knows the frames that it went through, and they know the error."""
    client = proxy.open()
    client.send(MALFORMED)
    await turns()

    assert await goes_with_its_client(proxy, client)


async def test_what_stands_behind_the_last_request_goes_with_the_connection(proxy: Served) -> None:
    """Up to 256 KiB."""
    client = proxy.open()
    client.send(MALFORMED + b"x" * 1000)
    await turns()
    [connection] = proxy.services.connections
    client.stream.close()
    await client.served()

    assert isinstance(connection, ClientConnection)
    assert connection.reader.parser.unread == b""
