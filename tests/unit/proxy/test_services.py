"""What a stop finds: connections whose client has not said what it wants are idle, and close."""

from typing import cast

from tests.fakes.memory_stream import MemoryStreamPair
from tests.fakes.served import Served

from iron_proxy.streams.http1_reader import Stream


async def test_a_connection_is_known_while_its_client_is_waited_for() -> None:
    async with Served() as proxy, MemoryStreamPair() as pair:
        with proxy.services.opening(cast(Stream, pair.right)):
            assert len(proxy.services.connections) == 1

        assert proxy.services.connections == set()
        assert not pair.right.is_closed


async def test_a_stop_closes_it() -> None:
    async with Served() as proxy, MemoryStreamPair() as pair:
        with proxy.services.opening(cast(Stream, pair.right)):
            for connection in tuple(proxy.services.connections):
                connection.close_if_idle()

        assert pair.right.is_closed


async def test_after_a_stop_nobody_is_waited_for() -> None:
    async with Served() as proxy, MemoryStreamPair() as pair:
        proxy.services.draining = True

        with proxy.services.opening(cast(Stream, pair.right)):
            assert pair.right.is_closed
