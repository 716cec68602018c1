"""What a peer of HTTP/2 makes us hold is bounded by what it sends, however small or well compressed its frames are."""

import gc
import tracemalloc
from collections.abc import Iterator
from typing import cast

import pytest
from tests.fakes.http2_in_memory import answer, ask
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import turns
from tests.unit.proxy.http2_served import Http2Served
from tests.unit.upstream.http2_shared import Shared
from tests.wire.http2_frames import block, client_with_requests, data, frame, headers, integer

from iron_proxy.protocols.http2.events import ResponseReceived, StreamFailed
from iron_proxy.protocols.http2.limits import STREAM_WINDOW

# Pieces of this size are the worst: each is an object of its own, and none is one that Python shares.
TINY = 2


@pytest.fixture
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def test_a_window_of_tiny_frames_of_an_upstream_is_held_as_bytes(traced: None) -> None:
    shared = await Shared().settled()
    exchange, request = await shared.ask()
    answer(shared.upstream, request.stream_id, end=False)
    await turns()
    before = tracemalloc.get_traced_memory()[0]

    piece = data(request.stream_id, b"ab") * 2048
    for _ in range(STREAM_WINDOW // TINY // 2048):
        shared.upstream.stream.write_nowait(piece)
        shared.upstream.stream.written = b""
        await turns(3)

    gc.collect()
    assert tracemalloc.get_traced_memory()[0] - before < 3 * STREAM_WINDOW
    assert len(exchange.read_body_nowait() or b"") == STREAM_WINDOW
    shared.connection.close()
    await turns()


def interim(stream: int, number: int, fields: bytes) -> bytes:
    """A 103 that is no other's repetition."""
    return frame(1, 0x4, stream, block([(b":status", b"103"), (b"x-number", b"%d" % number)]) + fields)


def test_interim_heads_that_name_a_large_field_again_and_again_are_held_once(traced: None) -> None:
    client = client_with_requests(100)
    large = b"\x40\x03x-a" + integer(3900, 0, 7) + b"v" * 3900
    wire = [interim(1, 0, large)]
    wire += [interim(stream, number, b"\xbe" * 60) for stream in range(1, 201, 2) for number in range(15)]
    before = tracemalloc.get_traced_memory()[0]

    events = client.receive(b"".join(wire))

    assert tracemalloc.get_traced_memory()[0] - before < 16 * 1024 * 1024
    assert sum(isinstance(event, StreamFailed) for event in events) == 100
    assert not client.has_failed


def test_hints_of_a_usual_size_are_passed_on() -> None:
    client = client_with_requests()
    hint = [(b":status", b"103"), *[(b"link", b"</style.css>; rel=preload; as=style")] * 20]

    events = client.receive(headers(1, hint, end=False) * 16)

    assert [type(event) for event in events] == [ResponseReceived] * 16


async def test_hints_for_a_client_that_does_not_read_wait_at_their_upstream() -> None:
    large = b"".join(b"X-%d: %b\r\n" % (number, b"v" * 4000) for number in range(50))
    async with Http2Served() as proxy:
        client = await proxy.call().greeted()
        for number in range(5):
            ask(client, b"/%d" % number)
        upstreams = [await proxy.http1_upstream(position) for position in range(5)]
        for upstream in upstreams:
            await upstream.receive_until(b"\r\n\r\n")
            for _ in range(16):
                upstream.send(b"HTTP/1.1 103 Early Hints\r\n%b\r\n" % large)
        await turns(200)

        assert len(cast(MemoryStream, client.connection.stream).written) < 2 * 1024 * 1024
