"""Who opens a connection and who waits for it, what is remembered of an origin, and when connections are closed."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from tests.fakes.http2_frames import settings
from tests.fakes.http2_in_memory import PERMIT, ChoosingDialer, MemoryTLS
from tests.fakes.served import LONG, turns

from iron_proxy.errors import UpstreamTimeout, UpstreamUnreachable
from iron_proxy.messages.authority import Target
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream import http2_sharing
from iron_proxy.upstream.http2_client import Http2Exchange
from iron_proxy.upstream.http2_sharing import SharedConnections
from iron_proxy.upstream.trust import HTTP2_OR_1

KEY = ("https", Target("ok.test", 443), False)
OTHER = ("https", Target("other.test", 443), False)


class Sharing:
    """Shared connections, and what they are opened by."""

    def __init__(self, *speaks: str) -> None:
        self.connections = SharedConnections()
        self.dialer = ChoosingDialer(*speaks)

    async def dial(self) -> TLSStream:
        return cast(TLSStream, await self.dialer.dial(PERMIT, alpn=HTTP2_OR_1))

    async def open(self, key: tuple[str, Target, bool] = KEY) -> Http2Exchange | TLSStream:
        return await self.connections.open(key, self.dial)

    async def open_many(self, count: int) -> list["asyncio.Task[Http2Exchange | TLSStream]"]:
        """So many at once, all of them waiting."""
        tasks = [asyncio.create_task(self.open()) for _ in range(count)]
        await turns()
        return tasks


@pytest.fixture
async def sharing() -> AsyncIterator[Sharing]:
    sharing = Sharing("h2", "http/1.1")
    yield sharing
    sharing.connections.close()
    await turns()
    assert sharing.connections._connections == {}
    assert sharing.connections._readers == set()
    assert sharing.connections._opening == {}


async def results(tasks: list["asyncio.Task[Http2Exchange | TLSStream]"]) -> list[object]:
    async with asyncio.timeout(LONG):
        return list(await asyncio.gather(*tasks, return_exceptions=True))


async def exchange(sharing: Sharing) -> Http2Exchange:
    opened = await sharing.open()
    assert isinstance(opened, Http2Exchange)
    return opened


# --- one at a time --------------------------------------------------------------------------------------------------


async def test_nothing_is_there_before_it_is_opened(sharing: Sharing) -> None:
    assert sharing.connections.take(KEY) is None


async def test_a_connection_serves_its_own_origin_only(sharing: Sharing) -> None:
    await sharing.open()
    await sharing.dialer.upstream()
    await turns()

    assert sharing.connections.take(OTHER) is None
    assert sharing.connections.take(KEY) is not None


async def test_many_who_come_at_once_share_one_handshake_and_its_connection(sharing: Sharing) -> None:
    sharing.dialer.gate.clear()
    tasks = await sharing.open_many(50)
    assert len(sharing.dialer.permits) == 1
    sharing.dialer.gate.set()
    await sharing.dialer.upstream()

    opened = await results(tasks)

    assert len({each.connection for each in opened if isinstance(each, Http2Exchange)}) == 1
    assert len(sharing.dialer.permits) == 1


async def test_many_who_find_no_http2_go_their_own_ways(sharing: Sharing) -> None:
    sharing.dialer.speaks = ["http/1.1"]
    sharing.dialer.gate.clear()
    tasks = await sharing.open_many(3)
    assert len(sharing.dialer.permits) == 1
    sharing.dialer.gate.set()

    assert [type(each) for each in await results(tasks)] == [MemoryTLS] * 3
    assert len(sharing.dialer.permits) == 3


async def test_where_http2_was_not_spoken_nobody_waits_for_anybody(sharing: Sharing) -> None:
    sharing.dialer.speaks = ["http/1.1"]
    await sharing.open()
    sharing.dialer.gate.clear()
    tasks = await sharing.open_many(3)

    assert len(sharing.dialer.permits) == 4
    sharing.dialer.gate.set()
    await results(tasks)


async def test_an_upstream_that_has_learned_http2_is_not_spoken_to_in_http1(sharing: Sharing) -> None:
    """It was offered both, so what it answers counts, and not what is remembered."""
    sharing.dialer.speaks = ["http/1.1"]
    await sharing.open()
    sharing.dialer.speaks = ["h2"]

    assert isinstance(await sharing.open(), Http2Exchange)
    await sharing.dialer.upstream(1)
    await turns()
    assert sharing.connections.take(KEY) is not None
    assert isinstance(await sharing.open(), Http2Exchange)
    assert len(sharing.dialer.permits) == 2


async def test_a_failure_is_shared_by_all_who_waited_for_it(sharing: Sharing) -> None:
    sharing.dialer.failures = [UpstreamUnreachable("no route")]
    sharing.dialer.gate.clear()
    tasks = await sharing.open_many(5)
    sharing.dialer.gate.set()

    assert [str(each) for each in await results(tasks)] == ["no route"] * 5
    assert len(sharing.dialer.permits) == 1


async def test_a_failure_is_not_remembered(sharing: Sharing) -> None:
    sharing.dialer.failures = [UpstreamUnreachable("no route")]
    with pytest.raises(UpstreamUnreachable):
        await sharing.open()

    assert isinstance(await sharing.open(), Http2Exchange)


async def test_when_the_one_who_opens_leaves_the_next_takes_over(sharing: Sharing) -> None:
    sharing.dialer.gate.clear()
    tasks = await sharing.open_many(3)
    tasks[0].cancel()
    await turns()
    assert len(sharing.dialer.permits) == 2
    sharing.dialer.gate.set()
    await sharing.dialer.upstream()

    opened = await results(tasks)

    assert isinstance(opened[0], asyncio.CancelledError)
    assert all(isinstance(each, Http2Exchange) for each in opened[1:])


async def test_one_who_waits_and_leaves_disturbs_nobody(sharing: Sharing) -> None:
    sharing.dialer.gate.clear()
    tasks = await sharing.open_many(3)
    tasks[1].cancel()
    await turns()
    sharing.dialer.gate.set()
    await sharing.dialer.upstream()

    opened = await results(tasks)

    assert [isinstance(each, Http2Exchange) for each in opened] == [True, False, True]
    assert len(sharing.dialer.permits) == 1


# --- room -----------------------------------------------------------------------------------------------------------


async def test_before_its_settings_a_connection_is_waited_for(sharing: Sharing) -> None:
    await sharing.open()
    [waiting] = await sharing.open_many(1)
    assert not waiting.done()

    await sharing.dialer.upstream()

    await asyncio.wait_for(waiting, LONG)
    assert len(sharing.dialer.permits) == 1


async def test_when_a_connection_is_full_the_next_one_is_opened(sharing: Sharing) -> None:
    await sharing.open()
    sharing.dialer.far[0].write_nowait(settings({3: 1}))
    await turns()

    await sharing.open()

    assert len(sharing.dialer.permits) == 2


async def test_who_waits_for_settings_that_never_come_is_told(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iron_proxy.upstream.http2_client.SETTLE_TIMEOUT", 0.0)
    first = await exchange(sharing)
    tasks = await sharing.open_many(2)

    assert [type(each) for each in await results(tasks)] == [UpstreamTimeout] * 2
    first.close()
    await turns()
    assert sharing.dialer.near[0].is_closed


async def test_a_connection_that_ends_before_its_settings_is_replaced(sharing: Sharing) -> None:
    await sharing.open()
    tasks = await sharing.open_many(1)
    sharing.dialer.far[0].close()

    await results(tasks)

    assert len(sharing.dialer.permits) == 2


async def test_a_connection_that_has_ended_is_not_taken(sharing: Sharing) -> None:
    await sharing.open()
    upstream = await sharing.dialer.upstream()
    await turns()
    upstream.stream.close()

    assert sharing.connections.take(KEY) is None


async def test_a_connection_whose_upstream_goes_away_is_replaced(sharing: Sharing) -> None:
    first = await exchange(sharing)
    upstream = await sharing.dialer.upstream()
    upstream.core.go_away()
    upstream.flush()
    await turns()

    second = await exchange(sharing)

    assert second.connection is not first.connection


# --- what is remembered ---------------------------------------------------------------------------------------------


async def test_an_origin_that_needs_http2_is_remembered_until_it_does_not(sharing: Sharing) -> None:
    assert not sharing.connections.is_needed(KEY)
    sharing.connections.note_need(KEY)
    assert sharing.connections.is_needed(KEY)
    sharing.dialer.speaks = ["http/1.1"]

    await sharing.open()

    assert not sharing.connections.is_needed(KEY)


async def test_only_so_many_origins_are_remembered(sharing: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_sharing, "MAX_REMEMBERED", 1)
    sharing.connections.note_need(KEY)
    sharing.connections.note_need(OTHER)

    assert [sharing.connections.is_needed(key) for key in (KEY, OTHER)] == [False, True]


# --- the end --------------------------------------------------------------------------------------------------------


async def test_connections_that_nobody_has_used_for_long_are_closed(sharing: Sharing) -> None:
    first = await exchange(sharing)
    await sharing.dialer.upstream()
    await turns()
    now = asyncio.get_running_loop().time()
    assert sharing.connections.sweep(now + 1) == 1  # in use, however long ago it began
    first.close()
    assert sharing.connections.sweep(now - 1) == 1

    assert sharing.connections.sweep(now + 1) == 0

    await turns()
    assert sharing.dialer.near[0].is_closed
    assert sharing.connections.take(KEY) is None


async def test_closing_ends_connections_and_the_tasks_that_read_them(sharing: Sharing) -> None:
    await sharing.open()
    readers = set(sharing.connections._readers)

    sharing.connections.close()
    await turns()

    assert all(reader.done() for reader in readers)
    assert sharing.dialer.near[0].is_closed
