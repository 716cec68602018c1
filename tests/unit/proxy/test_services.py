"""What a stop finds: connections whose client says nothing are idle, and close. What a reload replaces, and when."""

from dataclasses import replace
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


async def test_services_that_were_replaced_are_unused_once_the_last_exchange_has_ended() -> None:
    async with Served() as proxy:
        old = proxy.services
        new = replace(old, process=old.process)
        with old.in_use():
            old.users += 1
            unused = old.retire(new)
            assert old.newest is new is new.newest
            old.release()
            assert not unused.is_set()
        assert unused.is_set()


async def test_services_that_nobody_used_are_unused_at_once() -> None:
    async with Served() as proxy:
        assert proxy.services.retire(replace(proxy.services, process=proxy.services.process)).is_set()


async def test_what_outlives_services_is_shared() -> None:
    async with Served() as proxy:
        new = replace(proxy.services, process=proxy.services.process)
        proxy.services.retire(new)
        new.draining = True

        assert proxy.services.draining
        assert new.connections is proxy.services.connections
