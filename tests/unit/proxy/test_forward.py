"""What goes upstream, byte by byte, for every kind of body; and what comes of an upstream that does not play along."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from tests.fakes.served import GET, OK, FarEnd, Served, turns

from iron_proxy.config.schema import LimitsConfig
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http1_client import request_head
from iron_proxy.upstream.pool import Pool


@pytest.fixture
async def proxy() -> AsyncIterator[Served]:
    async with Served() as proxy:
        yield proxy


SIZED_HEAD = b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 10\r\n\r\n"
CHUNKED_HEAD = b"POST / HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED_WITH_TRAILERS = CHUNKED_HEAD[:-2] + b"Trailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"


async def uploading(proxy: Served, head: bytes = SIZED_HEAD, first: bytes = b"hello") -> tuple[FarEnd, FarEnd]:
    """A client in the middle of its upload, and the upstream that has the first half."""
    client = proxy.open()
    client.send(head + first)
    upstream = await proxy.upstream()
    await upstream.receive_until(b"hello")
    return client, upstream


# --- request heads --------------------------------------------------------------------------------------------------


def request_with(body: Body, method: str = "POST", port: int = 80) -> Request:
    return Request(method, "http", Target("ok.test", port), b"/a", b"q=1", Headers([(b"X-A", b"1")]), body)


@pytest.mark.parametrize(
    ("method", "body", "framing"),
    [
        ("GET", Body.empty(), b""),
        ("POST", Body.empty(), b"Content-Length: 0\r\n"),
        ("DELETE", Body.empty(), b""),
        ("GET", Body.of(b"x"), b"Content-Length: 1\r\n"),
        ("POST", Body(None, None), b"Transfer-Encoding: chunked\r\n"),
    ],
    ids=["GET", "empty POST", "DELETE", "GET with a body", "without a length"],
)
def test_the_length_of_a_body_is_stated(method: str, body: Body, framing: bytes) -> None:
    head = request_head(request_with(body, method))

    line = b"%b /a?q=1 HTTP/1.1\r\nHost: ok.test\r\nX-A: 1\r\n" % method.encode()
    assert head == line + framing + b"\r\n"


def test_a_port_that_is_not_the_schemes_is_in_the_host_field() -> None:
    assert b"\r\nHost: ok.test:8080\r\n" in request_head(request_with(Body.empty(), port=8080))


def test_trailers_are_asked_for_when_the_client_takes_them() -> None:
    request = request_with(Body.empty())
    request.accepts_trailers = True

    assert b"\r\nTE: trailers\r\n" in request_head(request)


# --- whole bodies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (SIZED_HEAD + b"helloworld", b"Content-Length: 10\r\n\r\nhelloworld"),
        (CHUNKED_HEAD + b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (CHUNKED_HEAD + b"5\r\nhello\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        (CHUNKED_WITH_TRAILERS, b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
    ],
    ids=["sized", "chunked and empty", "chunked", "trailers"],
)
async def test_a_body_that_is_all_here_goes_out_in_one_write(proxy: Served, wire: bytes, body: bytes) -> None:
    proxy.answers(OK)
    client = proxy.open()
    client.send(wire)
    await client.receive_until(b"ok")

    written = await proxy.upstreams[0].stream.read(1.0)
    assert written.endswith(body)
    assert not proxy.upstreams[0].stream.has_unread


async def test_a_stale_idle_connection_is_replaced_once(proxy: Served) -> None:
    stale = await proxy.idle_upstream()
    proxy.answers(OK)
    client = proxy.open()
    client.send(GET)
    await stale.receive_until(b"\r\n\r\n")
    stale.stream.close()

    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")
    assert len(proxy.dialer.permits) == 1
    assert await proxy.actions() == [("allow", 200)]


async def test_a_request_is_not_sent_a_third_time(proxy: Served) -> None:
    stale = await proxy.idle_upstream()
    client = proxy.open()
    client.send(GET)
    await stale.receive_until(b"\r\n\r\n")
    stale.stream.close()
    fresh = await proxy.upstream(1)
    await fresh.receive_until(b"\r\n\r\n")
    fresh.stream.close()

    assert (await client.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 502 ")
    assert len(proxy.dialer.permits) == 1


async def test_what_must_not_happen_twice_is_not_repeated(proxy: Served) -> None:
    stale = await proxy.idle_upstream()
    client = proxy.open()
    client.send(SIZED_HEAD + b"helloworld")
    await stale.receive_until(b"world")
    stale.stream.close()

    assert (await client.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 502 ")
    assert proxy.dialer.permits == []


async def test_a_request_whose_answer_has_begun_is_not_repeated(proxy: Served) -> None:
    stale = await proxy.idle_upstream()
    client = proxy.open()
    client.send(GET)
    await stale.receive_until(b"\r\n\r\n")
    stale.send(b"HTTP/1.1 2")
    await turns()
    stale.stream.close()

    assert (await client.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 502 ")
    assert proxy.dialer.permits == []


async def test_an_idle_connection_that_was_closed_meanwhile_is_not_used(proxy: Served) -> None:
    (await proxy.idle_upstream()).stream.close()
    proxy.answers(OK)
    client = proxy.open()
    client.send(SIZED_HEAD + b"helloworld")

    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")


async def test_an_upstream_that_does_not_answer_is_given_up(proxy: Served) -> None:
    proxy.services.response_header_timeout = 0.01
    client = proxy.open()
    client.send(GET)

    assert (await client.receive_until(b"bad gateway\n")).startswith(b"HTTP/1.1 502 ")
    assert await proxy.upstreams[0].is_reset()


async def test_an_upstream_that_takes_nothing_is_given_up(proxy: Served) -> None:
    proxy.services.pool = Pool(cast(Dialer, proxy.dialer), limits=LimitsConfig(write=0.01))
    proxy.services.response_header_timeout = 0.01
    client = proxy.open()
    client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 900000\r\n\r\n" + b"x" * 800_000)

    assert (await client.receive_until(b"bad gateway\n")).startswith(b"HTTP/1.1 502 ")
    assert await proxy.upstreams[0].is_reset()


# --- informational answers ------------------------------------------------------------------------------------------


async def test_informational_answers_are_relayed_as_they_come(proxy: Served) -> None:
    client = proxy.open()
    client.send(GET)
    upstream = await proxy.upstream()
    for link in (b"a", b"b"):
        upstream.send(b"HTTP/1.1 103 Early Hints\r\nLink: <%b>\r\n\r\n" % link)
        assert await client.receive_until(b"\r\n\r\n") == b"HTTP/1.1 103 Early Hints\r\nLink: <%b>\r\n\r\n" % link
    upstream.send(OK)

    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")
    assert await proxy.actions() == [("allow", 200)]


async def test_informational_answers_during_an_upload_are_relayed_too(proxy: Served) -> None:
    client, upstream = await uploading(proxy)
    upstream.send(b"HTTP/1.1 102 Processing\r\n\r\n")

    assert await client.receive_until(b"\r\n\r\n") == b"HTTP/1.1 102 Processing\r\n\r\n"
    client.send(b"world")
    await upstream.receive_until(b"world")
    upstream.send(OK)
    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("body", [b"helloworld", b"hello"], ids=["whole", "streaming"])
async def test_a_101_that_nobody_asked_for_is_refused(proxy: Served, body: bytes) -> None:
    proxy.answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw")
    client = proxy.open()
    client.send(SIZED_HEAD + body)

    received = await client.receive_until(b"bad gateway\n")

    assert received.startswith(b"HTTP/1.1 502 ")
    assert b"raw" not in received
    assert await proxy.actions() == [("error", 502)]


# --- uploads --------------------------------------------------------------------------------------------------------


async def test_a_sized_upload_is_passed_on_piece_by_piece(proxy: Served) -> None:
    client, upstream = await uploading(proxy)
    client.send(b"world")
    assert await upstream.receive_until(b"world") == b"world"
    upstream.send(OK)

    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")


async def test_a_chunked_upload_is_passed_on_chunk_by_chunk_with_its_trailers(proxy: Served) -> None:
    client, upstream = await uploading(proxy, CHUNKED_HEAD, b"5\r\nhello\r\n")
    for piece in (b"5\r\nworld\r\n", b"0\r\nX-Sum: 1\r\n\r\n"):
        client.send(piece)
        assert (await upstream.receive_until(piece)).removeprefix(b"\r\n") == piece
    upstream.send(OK)

    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")


async def test_after_an_upload_both_connections_go_on(proxy: Served) -> None:
    client, upstream = await uploading(proxy)
    client.send(b"world")
    await upstream.receive_until(b"world")
    upstream.send(OK)
    await client.receive_until(b"ok")

    client.send(GET)
    await upstream.receive_until(b"\r\n\r\n")
    upstream.send(OK)

    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")
    assert len(proxy.upstreams) == 1


async def test_an_answer_that_comes_early_is_passed_on_and_ends_both_connections(proxy: Served) -> None:
    client, upstream = await uploading(proxy)
    upstream.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")

    received = await client.receive_until(b"big")
    await client.stream.write_end()

    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in received
    assert await upstream.is_reset()
    assert await client.receive_to_end() == b""
    assert await proxy.actions() == [("allow", 413)]


async def test_an_answer_may_begin_before_the_upload_ends(proxy: Served) -> None:
    client, upstream = await uploading(proxy)
    upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\necho\r\n")
    await client.receive_until(b"echo\r\n")

    client.send(b"world")
    assert await upstream.receive_until(b"world") == b"world"
    upstream.send(b"0\r\n\r\n")

    assert await client.receive_until(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert await proxy.actions() == [("allow", 200)]


async def test_an_upstream_that_stops_listening_may_still_have_answered(proxy: Served) -> None:
    client, upstream = await uploading(proxy)
    upstream.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
    upstream.stream.close()
    client.send(b"world")

    assert (await client.receive_until(b"no")).startswith(b"HTTP/1.1 401 ")
    assert await proxy.actions() == [("allow", 401)]


async def test_an_upstream_that_leaves_in_the_middle_of_an_upload_is_a_502(proxy: Served) -> None:
    client, upstream = await uploading(proxy)

    upstream.stream.abort()

    assert (await client.receive_until(b"bad gateway\n")).startswith(b"HTTP/1.1 502 ")
    assert await proxy.actions() == [("error", 502)]


async def test_an_upload_is_not_repeated(proxy: Served) -> None:
    stale = await proxy.idle_upstream()
    client = proxy.open()
    client.send(SIZED_HEAD.replace(b"POST", b"PUT") + b"hello")
    await stale.receive_until(b"hello")
    stale.stream.close()

    assert (await client.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 502 ")
    assert proxy.dialer.permits == []


async def test_behind_an_upload_the_answer_has_its_own_deadline(proxy: Served) -> None:
    proxy.services.response_header_timeout = 0.01
    client, upstream = await uploading(proxy)
    await asyncio.sleep(0.02)
    client.send(b"world")

    assert (await client.receive_until(b"bad gateway\n")).startswith(b"HTTP/1.1 502 ")
    [record] = await proxy.records()
    assert record["error"] == "the upstream did not answer in time"
    assert await upstream.is_reset()


async def test_a_malformed_rest_of_an_upload_never_ends_like_a_whole_one(proxy: Served) -> None:
    client, upstream = await uploading(proxy, CHUNKED_HEAD, b"5\r\nhello\r\n")
    client.send(b"nonsense\r\n")

    assert (await client.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert await upstream.is_reset()
    assert await proxy.actions() == [("reject", 400)]


async def test_a_malformed_rest_of_an_upload_breaks_an_answer_that_has_begun(proxy: Served) -> None:
    client, upstream = await uploading(proxy, CHUNKED_HEAD, b"5\r\nhello\r\n")
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await client.receive_until(b"half")

    client.send(b"nonsense\r\n")

    assert await client.is_reset()
    assert await upstream.is_reset()
    assert await proxy.actions() == [("reject", 400)]
