"""What a transform has asked to be done to text messages is done, from the first bytes behind the opening."""

import pytest
from tests.fakes.served import Served
from tests.fakes.transforms import FakeTransform
from tests.wire.websocket_frames import MASK, TEXT, frame, messages_of

from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import CONTINUE, Verdict
from iron_proxy.protocols.websocket_handshake import expected_accept
from iron_proxy.protocols.websocket_messages import MessageRewriting, TextStream

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: ok.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: " + expected_accept(KEY) + b"\r\n\r\n"
)


class Upper:
    """Rewrites texts in capitals."""

    def begin(self, beginning: bytes) -> TextStream:
        return self

    def feed(self, piece: bytes) -> bytes:
        return piece.upper()

    def end(self) -> bytes:
        return b""


def rewrites(exchange: Exchange) -> Verdict:
    exchange.rewriting = (MessageRewriting(Upper(), Upper()),)
    return CONTINUE


@pytest.mark.slow
async def test_messages_are_rewritten_as_a_transform_has_asked_for() -> None:
    async with Served(FakeTransform("fake", rewrites)) as proxy:
        client = proxy.open()
        client.send(UPGRADE + frame(TEXT, b"early", mask=MASK))
        upstream = await proxy.upstream()
        await upstream.receive_until(b"\r\n\r\n")
        upstream.send(SWITCH + frame(TEXT, b"greeting"))

        assert (await client.receive_until(b"GREETING")).endswith(frame(TEXT, b"GREETING"))
        upstream.send(frame(TEXT, b"more"))
        assert await client.receive_until(b"MORE") == frame(TEXT, b"MORE")
        assert messages_of(await upstream.stream.read(5.0)) == [(TEXT, b"EARLY")]
