"""How an answer's end is marked, for each kind of body and of client; the bytes are compared whole."""

from collections.abc import AsyncIterator

import pytest
from tests.fakes.body_source import FakeBodySource
from tests.fakes.served import GET, OK, Served, turns

from iron_proxy.errors import ClientError, UpstreamDisconnected
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.response import Response
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.respond import respond


@pytest.fixture
async def proxy() -> AsyncIterator[Served]:
    async with Served() as proxy:
        yield proxy


CLOSED = b"Connection: close\r\n"
CLOSE_11 = b"GET / HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n"
GET_10 = b"GET / HTTP/1.0\r\nHost: ok.test\r\n\r\n"

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
TRAILERS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"

AS_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + CLOSED + b"\r\n5\r\nhello\r\n0\r\n"


@pytest.mark.parametrize(
    ("request_wire", "answer", "expected"),
    [
        (CLOSE_11, SIZED, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + CLOSED + b"\r\nhello"),
        (CLOSE_11, EMPTY, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + CLOSED + b"\r\n"),
        (CLOSE_11, CHUNKED, AS_CHUNKS + b"\r\n"),
        (CLOSE_11, TRAILERS, AS_CHUNKS + b"X-Sum: 1\r\n\r\n"),
        (CLOSE_11, UNTIL_CLOSE, AS_CHUNKS + b"\r\n"),
        (CLOSE_11, NO_CONTENT, b"HTTP/1.1 204 No Content\r\n" + CLOSED + b"\r\n"),
        (CLOSE_11, NOT_MODIFIED, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n" + CLOSED + b"\r\n"),
        (HEAD, SIZED[:-5], b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + CLOSED + b"\r\n"),
        (HEAD, b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + CLOSED + b"\r\n"),
        (GET_10, SIZED, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + CLOSED + b"\r\nhello"),
        (GET_10, CHUNKED, b"HTTP/1.1 200 OK\r\n" + CLOSED + b"\r\nhello"),
        (GET_10, UNTIL_CLOSE, b"HTTP/1.1 200 OK\r\n" + CLOSED + b"\r\nhello"),
    ],
    ids=[
        "sized", "empty", "chunked", "trailers", "until close", "204", "304", "HEAD", "HEAD without a length",
        "sized for 1.0", "chunked for 1.0", "until close for 1.0",
    ],
)  # fmt: skip
async def test_framing(proxy: Served, request_wire: bytes, answer: bytes, expected: bytes) -> None:
    proxy.answers(answer)
    client = proxy.open()
    client.send(request_wire)
    upstream = await proxy.upstream()
    await turns()
    upstream.stream.close()

    assert await client.receive_to_end() == expected


async def test_a_client_of_http_1_0_that_asks_for_it_keeps_its_connection(proxy: Served) -> None:
    proxy.answers(OK)
    client = proxy.open()
    client.send(b"GET / HTTP/1.0\r\nHost: ok.test\r\nConnection: keep-alive\r\n\r\n")

    assert b"\r\nConnection: keep-alive\r\n" in await client.receive_until(b"ok")
    client.send(GET)
    await turns()
    proxy.upstreams[0].send(OK)
    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")


async def test_a_body_without_a_length_ends_the_connection_of_a_1_0_client(proxy: Served) -> None:
    proxy.answers(CHUNKED)
    client = proxy.open()
    client.send(b"GET / HTTP/1.0\r\nHost: ok.test\r\nConnection: keep-alive\r\n\r\n")

    assert (await client.receive_to_end()).endswith(b"Connection: close\r\n\r\nhello")


@pytest.mark.parametrize(
    ("head", "pieces", "expected"),
    [
        (b"Content-Length: 6\r\n\r\n", [b"one", b"two"], [b"one", b"two"]),
        (
            b"Transfer-Encoding: chunked\r\n\r\n",
            [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"],
            [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"],
        ),
        (
            b"Transfer-Encoding: chunked\r\n\r\n",
            [b"3\r\none\r\n", b"0\r\nX-Sum: 1\r\n\r\n"],
            [b"3\r\none\r\n", b"0\r\nX-Sum: 1\r\n\r\n"],
        ),
    ],
    ids=["sized", "chunked", "chunked with trailers"],
)
async def test_a_piece_is_passed_on_as_it_comes(
    proxy: Served, head: bytes, pieces: list[bytes], expected: list[bytes]
) -> None:
    client = proxy.open()
    client.send(GET)
    upstream = await proxy.upstream()
    upstream.send(b"HTTP/1.1 200 OK\r\n" + head)
    await client.receive_until(b"\r\n\r\n")

    for piece, passed_on in zip(pieces, expected, strict=True):
        upstream.send(piece)
        assert await client.receive_until(passed_on) == passed_on


async def responded(proxy: Served, response: Response) -> tuple[bytes, list[BaseException]]:
    """What a client is sent of a response that was made here, and what went wrong."""
    failures: list[BaseException] = []

    async def answer(client: ClientConnection, head: RequestHead | ClientError) -> None:
        assert isinstance(head, RequestHead)
        client.keep_alive = False
        try:
            await respond(client, head, response)
        except Exception as error:
            failures.append(error)

    client = proxy.open(answer)
    client.send(GET)
    return await client.receive_to_end(), failures


async def test_a_replaced_body_states_its_new_length(proxy: Served) -> None:
    response = Response(200, Headers([(b"X-A", b"1")]), Body.of(b"new"))

    received, _ = await responded(proxy, response)

    assert received == b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nnew"


async def test_a_sized_body_in_several_pieces(proxy: Served) -> None:
    received, _ = await responded(proxy, Response(200, body=Body(FakeBodySource([b"ab", b"c"], here=0), 3)))

    assert received.endswith(b"Content-Length: 3\r\nConnection: close\r\n\r\nabc")


@pytest.mark.parametrize("length", [9, None], ids=["sized", "chunked"])
@pytest.mark.parametrize("here", [0, 2], ids=["later", "here"])
async def test_a_body_that_fails_raises_behind_what_was_sent(proxy: Served, length: int | None, here: int) -> None:
    source = FakeBodySource([b"half"], here=here, failure=UpstreamDisconnected("gone"))

    received, failures = await responded(proxy, Response(200, body=Body(source, length)))

    assert [type(failure) for failure in failures] == [UpstreamDisconnected]
    assert not received.endswith(b"0\r\n\r\n")
