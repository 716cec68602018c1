import asyncio

import pytest
from tests.fakes.loopback import LoopbackStreamPair
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair

from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.relay import Relay, RelayIdle

LONG = 5.0


class Relayed:
    """A client and an upstream, each with the far end that the relay holds."""

    def __init__(self) -> None:
        self._client_pair, self._upstream_pair = MemoryStreamPair(), MemoryStreamPair()
        self.client, self.client_side = self._client_pair.left, self._client_pair.right
        self.upstream, self.upstream_side = self._upstream_pair.left, self._upstream_pair.right

    def relay(self, idle_timeout: float = LONG, write_timeout: float = LONG) -> Relay:
        return Relay(self.client_side, self.upstream_side, idle_timeout=idle_timeout, write_timeout=write_timeout)

    async def run(self, idle_timeout: float = LONG, write_timeout: float = LONG) -> None:
        await self.relay(idle_timeout, write_timeout).run()


@pytest.fixture
async def relayed() -> Relayed:
    return Relayed()


async def read_to_end(stream: MemoryStream) -> bytes:
    data = b""
    while piece := await stream.read(LONG):
        data += piece
    return data


async def test_both_directions_are_copied_until_both_have_ended(relayed: Relayed) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(relayed.run())
        await relayed.client.write(b"ping", LONG)
        assert await relayed.upstream.read(LONG) == b"ping"
        await relayed.upstream.write(b"pong", LONG)
        assert await relayed.client.read(LONG) == b"pong"
        await relayed.client.write_end()
        await relayed.upstream.write_end()

    assert await read_to_end(relayed.client) == b""
    assert await read_to_end(relayed.upstream) == b""


async def test_the_end_of_one_direction_is_passed_on_and_the_other_goes_on(relayed: Relayed) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(relayed.run())
        await relayed.client.write(b"request", LONG)
        await relayed.client.write_end()
        assert await read_to_end(relayed.upstream) == b"request"
        await relayed.upstream.write(b"answer", LONG)
        await relayed.upstream.write_end()

        assert await read_to_end(relayed.client) == b"answer"


async def test_a_reset_is_not_passed_on_as_an_end(relayed: Relayed) -> None:
    await relayed.upstream.write(b"half", LONG)
    relayed.upstream.abort()

    with pytest.raises(StreamReset):
        await relayed.run()

    assert not relayed.client.has_ended


async def test_a_relay_on_which_nobody_speaks_ends(relayed: Relayed) -> None:
    with pytest.raises(RelayIdle):
        await relayed.run(idle_timeout=0.01)


async def test_a_stream_that_talks_one_way_only_is_not_idle(relayed: Relayed) -> None:
    async def speak() -> None:
        until = asyncio.get_running_loop().time() + 0.07
        while asyncio.get_running_loop().time() < until:
            await relayed.upstream.write(b"event", LONG)
            await relayed.client.read(LONG)
        await relayed.upstream.write_end()
        await relayed.client.write_end()

    await asyncio.gather(relayed.run(idle_timeout=0.03), speak())


async def test_a_peer_that_takes_nothing_ends_the_relay(relayed: Relayed) -> None:
    for _ in range(3):
        relayed.client.write_nowait(b"x" * 200_000)

    with pytest.raises(StreamTimeout):
        await relayed.run(write_timeout=0.01)


async def test_each_direction_goes_through_the_callers_hands_and_what_comes_out_is_counted(relayed: Relayed) -> None:
    seen: list[tuple[str, bytes, bytes]] = []

    def forth(piece: bytes) -> bytes:
        seen.append(("forth", piece, relayed.upstream_side.written))
        return piece.upper()

    def back(piece: bytes) -> bytes:
        seen.append(("back", piece, relayed.client_side.written))
        return piece[:-1]

    relay = Relay(
        relayed.client_side, relayed.upstream_side, idle_timeout=LONG, write_timeout=LONG,
        through_forth=forth, through_back=back,
    )  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run())
        await relayed.client.write(b"ping", LONG)
        assert await relayed.upstream.read(LONG) == b"PING"
        await relayed.upstream.write(b"pong!", LONG)
        assert await relayed.client.read(LONG) == b"pong"
        await relayed.client.write_end()
        await relayed.upstream.write_end()

    assert (relay.forth.size, relay.back.size) == (4, 4)
    assert seen == [("forth", b"ping", b""), ("back", b"pong!", b"")]


async def test_the_idle_time_starts_anew_with_every_piece(relayed: Relayed) -> None:
    relay = relayed.relay()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run())
        await asyncio.sleep(0.01)
        before = relay.idle_seconds
        await relayed.client.write(b"x", LONG)
        await relayed.upstream.read(LONG)
        after = relay.idle_seconds
        await relayed.client.write_end()
        await relayed.upstream.write_end()

    assert after < before


async def test_a_relay_that_is_cancelled_stops(relayed: Relayed) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await relayed.run()


async def test_real_sockets_are_relayed_as_well() -> None:
    async with LoopbackStreamPair() as client, LoopbackStreamPair() as upstream:
        content = b"x" * 1_000_000

        async def send() -> None:
            await client.left.write(content, LONG)
            await client.left.write_end()

        async def answer() -> int:
            size = 0
            while piece := await upstream.left.read(LONG):
                size += len(piece)
            await upstream.left.write_end()
            return size

        relay = Relay(client.right, upstream.right, idle_timeout=LONG, write_timeout=LONG)
        _, _, size = await asyncio.gather(relay.run(), send(), answer())

    assert size == len(content)
    assert (relay.forth.size, relay.back.size) == (len(content), 0)
