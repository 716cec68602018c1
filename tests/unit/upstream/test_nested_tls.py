"""TLS inside TLS behaves as TLS over a socket does: ends, looks without waiting, deadlines, pauses."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.loopback import client_context, closed, connected_streams, server_context

from iron_proxy.streams import deadlines
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.nested_tls import NestedTLSStream

LONG = 5.0


class Nested:
    """Our stream; the origin's inner one; the proxy's outer ones, between which the proxy copies."""

    def __init__(self, ours: NestedTLSStream, origin: TLSStream, outer: TLSStream, bottom: SocketStream) -> None:
        self.ours, self.origin, self.outer, self.bottom = ours, origin, outer, bottom


@pytest.fixture
async def nested() -> AsyncIterator[Nested]:
    near, far = await connected_streams()
    tunnel = TLSStream(near, client_context(), server_side=False, server_name="proxy.test")
    outer = TLSStream(far, server_context("proxy.test"), server_side=True)
    await asyncio.gather(tunnel.handshake(LONG), outer.handshake(LONG))
    proxy_side, origin_side = await connected_streams()
    origin = TLSStream(origin_side, server_context("ok.test"), server_side=True)
    ours = NestedTLSStream(tunnel, client_context(), "ok.test")
    async with asyncio.TaskGroup() as proxy:
        tasks = [proxy.create_task(copy(outer, proxy_side)), proxy.create_task(copy(proxy_side, outer))]
        await asyncio.gather(ours.handshake(LONG), origin.handshake(LONG))
        yield Nested(ours, origin, outer, far)
        for task in tasks:
            task.cancel()
    await closed(ours, origin, outer, proxy_side)


async def copy(source: SocketStream | TLSStream, sink: SocketStream | TLSStream) -> None:
    try:
        while data := await source.read(LONG):
            await sink.write(data, LONG)
        await sink.write_end()
    except StreamReset:
        pass


async def read_to_end(stream: TLSStream) -> bytes:
    data = b""
    while piece := await stream.read(LONG):
        data += piece
    return data


async def arrived(stream: TLSStream) -> None:
    for _ in range(1000):
        if stream.has_unread:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("nothing arrived")


@pytest.mark.parametrize("size", [1, 16 * 1024, 1_000_000])
async def test_bytes_go_both_ways_whole(nested: Nested, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def send(stream: TLSStream) -> None:
        await stream.write(data, LONG)
        await stream.write_end()

    _, received, _, echoed = await asyncio.gather(
        send(nested.ours), read_to_end(nested.origin), send(nested.origin), read_to_end(nested.ours)
    )

    assert received == echoed == data
    assert nested.ours.ended_cleanly


async def test_the_proxy_sees_nothing_but_tls(nested: Nested) -> None:
    assert nested.ours.version
    assert nested.ours.peer_certificate() is not None
    assert nested.ours.peer.startswith("127.0.0.1:")
    assert nested.ours.extra("sockname")[0] == "127.0.0.1"


async def test_bytes_that_came_unasked_are_seen_without_waiting(nested: Nested) -> None:
    await nested.origin.write(b"x", LONG)  # behind the origin's session tickets
    assert await nested.ours.read(LONG) == b"x"
    assert not nested.ours.has_unread
    assert nested.ours.read_nowait() == b""

    await nested.origin.write(b"unasked", LONG)
    await arrived(nested.ours)

    assert nested.ours.read_nowait() == b"unasked"


async def test_a_tunnel_that_ends_without_a_close_notify_of_the_origin_is_no_clean_end(nested: Nested) -> None:
    ended = asyncio.Event()
    nested.ours.on_end(ended.set)

    nested.outer.close()

    assert await read_to_end(nested.ours) == b""
    await asyncio.wait_for(ended.wait(), LONG)
    assert nested.ours.has_ended
    assert not nested.ours.ended_cleanly


async def test_a_tunnel_that_breaks_is_a_reset(nested: Nested) -> None:
    nested.outer.abort()

    with pytest.raises(StreamReset):
        await read_to_end(nested.ours)
    assert nested.ours.is_gone


@pytest.mark.slow
async def test_a_read_has_its_deadline(nested: Nested, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "SWEEP_SECONDS", 0.002)

    with pytest.raises(StreamTimeout):
        await nested.ours.read(0.01)


async def test_an_origin_that_takes_nothing_holds_the_writer_back(nested: Nested) -> None:
    async def write_for_ever() -> None:
        while True:
            await nested.ours.write(b"x" * 1_000_000, LONG)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(write_for_ever(), 0.1)


async def test_closing_says_so_to_the_origin(nested: Nested) -> None:
    nested.ours.close()

    assert await read_to_end(nested.origin) == b""
    assert nested.origin.ended_cleanly
