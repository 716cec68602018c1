from typing import cast

import pytest
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair

from iron_proxy.errors import UpstreamDisconnected, UpstreamTimeout
from iron_proxy.messages.authority import Target
from iron_proxy.streams.byte_stream import MAX_PIECE_BYTES
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.upstream.http1_client import OriginKey, UpstreamConnection

LONG = 5.0
KEY: OriginKey = ("http", Target("ok.test", 80), False)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Conversation:
    """A connection of ours and the upstream's end of it."""

    def __init__(self) -> None:
        pair = MemoryStreamPair()
        self.upstream: MemoryStream = pair.right
        self.stream: MemoryStream = pair.left
        self.connection = UpstreamConnection(cast(Stream, pair.left), KEY)

    async def ask(self, answer: bytes, method: str = "GET") -> bool:
        """Make one whole exchange; says whether the connection can be used again."""
        self.connection.expect(method)
        await self.connection.write(b"GET / HTTP/1.1\r\n\r\n")
        self.upstream.write_nowait(answer)
        head = await self.connection.reader.read_head(LONG)
        while await self.connection.reader.read_body():
            pass
        return self.connection.is_reusable(head)


@pytest.fixture
async def conversation() -> Conversation:
    return Conversation()


async def test_a_request_goes_out_and_its_answer_comes_in_again_and_again(conversation: Conversation) -> None:
    assert await conversation.ask(ANSWER)
    assert await conversation.ask(ANSWER)

    assert conversation.connection.uses == 2
    assert conversation.stream.written == b"GET / HTTP/1.1\r\n\r\n" * 2


@pytest.mark.parametrize(
    ("answer", "method", "reusable"),
    [
        (ANSWER, "GET", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "GET", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "GET", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "GET", True),
    ],
    ids=["sized", "204", "to a HEAD", "close", "HTTP/1.0", "HTTP/1.0 that stays"],
)
async def test_an_answer_says_whether_the_connection_can_be_used_again(
    conversation: Conversation, answer: bytes, method: str, reusable: bool
) -> None:
    assert await conversation.ask(answer, method) is reusable


async def test_a_connection_with_an_unread_body_cannot_be_used_again(conversation: Conversation) -> None:
    conversation.connection.expect("GET")
    conversation.upstream.write_nowait(ANSWER)

    head = await conversation.connection.reader.read_head(LONG)

    assert not conversation.connection.is_reusable(head)


async def test_a_connection_known_to_be_broken_cannot_be_used_again(conversation: Conversation) -> None:
    conversation.connection.broken = True

    assert not await conversation.ask(ANSWER)


async def test_a_connection_that_the_upstream_has_ended_cannot_be_used_again(conversation: Conversation) -> None:
    await conversation.upstream.write(ANSWER, LONG)
    await conversation.upstream.write_end()
    conversation.connection.expect("GET")
    head = await conversation.connection.reader.read_head(LONG)
    while await conversation.connection.reader.read_body():
        pass

    assert not conversation.connection.is_reusable(head)


@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL", b"\r\n"])
@pytest.mark.parametrize("together", [True, False], ids=["with the answer", "after it"])
async def test_bytes_behind_an_answer_make_the_connection_unquiet(
    conversation: Conversation, surplus: bytes, together: bool
) -> None:  # H1-27
    await conversation.ask(ANSWER + surplus if together else ANSWER)
    if not together:
        conversation.upstream.write_nowait(surplus)

    assert not conversation.connection.is_quiet()


async def test_a_connection_between_two_exchanges_is_quiet(conversation: Conversation) -> None:
    await conversation.ask(ANSWER)

    assert conversation.connection.is_quiet()


async def test_a_connection_that_has_ended_is_not_quiet(conversation: Conversation) -> None:
    await conversation.ask(ANSWER)
    conversation.upstream.close()

    assert not conversation.connection.is_quiet()


async def test_writing_to_an_upstream_that_has_gone_is_its_fault(conversation: Conversation) -> None:
    conversation.upstream.abort()

    with pytest.raises(UpstreamDisconnected):
        await conversation.connection.write(b"x")


async def test_an_upstream_that_takes_nothing_of_an_upload_meets_a_deadline(conversation: Conversation) -> None:
    conversation.connection.write_timeout = 0.01

    with pytest.raises(UpstreamTimeout):
        await conversation.connection.write(b"x" * (MAX_PIECE_BYTES + 1))


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_a_connection_is_closed_in_order_or_broken(conversation: Conversation, ending: str) -> None:
    getattr(conversation.connection, ending)()

    assert conversation.stream.is_closed
    assert conversation.stream.was_aborted is (ending == "abort")


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_what_the_upstream_has_sent_beyond_its_answer_goes_with_the_connection(
    conversation: Conversation, ending: str
) -> None:
    assert await conversation.ask(ANSWER + b"more")
    assert conversation.connection.reader.parser.unread == b"more"

    getattr(conversation.connection, ending)()

    assert conversation.connection.reader.parser.unread == b""
