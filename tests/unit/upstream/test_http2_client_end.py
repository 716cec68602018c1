"""How many exchanges a shared connection takes, and how it comes to its end."""

import asyncio

import pytest
from tests.fakes.http2_frames import settings
from tests.fakes.http2_in_memory import answer
from tests.fakes.served import LONG, turns
from tests.unit.upstream.http2_shared import Shared, request, send_whole

from iron_proxy.errors import (
    UpstreamRefusedStream,
    UpstreamTimeout,
)
from iron_proxy.upstream import http2_client

# --- how many, and the end of it --------------------------------------------------------------------------------------


async def test_before_its_settings_an_upstream_gets_one_request(fresh: Shared) -> None:
    assert fresh.connection.can_open_stream
    fresh.connection.open_exchange()
    assert not fresh.connection.can_open_stream

    await fresh.settled()

    assert fresh.connection.can_open_stream


async def test_an_upstream_gets_as_many_as_it_takes(fresh: Shared) -> None:
    fresh.near._pieces.clear()
    fresh.upstream.stream.write_nowait(settings({3: 2}))
    await fresh.connection.settle()

    exchange, other = fresh.connection.open_exchange(), fresh.connection.open_exchange()

    assert not fresh.connection.can_open_stream
    exchange.close()
    assert fresh.connection.can_open_stream
    other.close()


async def test_who_waits_for_settings_that_never_come_is_not_kept(
    fresh: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.create_task(fresh.connection.settle())
    await asyncio.sleep(0)
    monkeypatch.setattr(http2_client, "SETTLE_TIMEOUT", 0.0)

    with pytest.raises(UpstreamTimeout, match="did not begin HTTP/2"):
        await fresh.connection.settle()
    with pytest.raises(UpstreamTimeout, match="did not begin HTTP/2"):
        await asyncio.wait_for(waiting, LONG / 2)
    assert await fresh.has_closed()


async def test_a_connection_without_settings_still_ends_what_it_has_begun(
    fresh: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_client, "SETTLE_TIMEOUT", 0.0)
    exchange = fresh.connection.open_exchange()
    await send_whole(exchange, request())
    with pytest.raises(UpstreamTimeout):
        await fresh.connection.settle()
    assert not fresh.near.is_closed
    fresh.upstream.flush()
    await turns()

    exchange.close()

    assert await fresh.has_closed()


async def test_who_waits_for_settings_learns_of_the_end(fresh: Shared) -> None:
    waiting = asyncio.create_task(fresh.connection.settle())
    await asyncio.sleep(0)
    fresh.upstream.stream.close()

    await asyncio.wait_for(waiting, LONG)

    assert not fresh.connection.can_open_stream


async def test_a_cancelled_wait_for_settings_is_not_everybodys(fresh: Shared) -> None:
    waiting = [asyncio.create_task(fresh.connection.settle()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    fresh.upstream.flush()

    await asyncio.wait_for(waiting[1], LONG)


async def test_an_upstream_that_goes_away_ends_what_is_open_and_nothing_else(shared: Shared) -> None:
    exchange, asked = await shared.ask()
    shared.upstream.core.go_away()
    shared.upstream.flush()
    await turns()
    assert not shared.connection.can_open_stream
    answer(shared.upstream, asked.stream_id, b"last")

    assert (await exchange.read_head(LONG)).status == 200
    assert await exchange.read_body() == b"last"
    assert not shared.near.is_closed
    exchange.close()
    assert await shared.has_closed()


async def test_an_upstream_that_goes_away_has_not_seen_what_came_later(shared: Shared) -> None:
    one, _ = await shared.ask()
    two, asked = await shared.ask()
    shared.upstream.core.go_away(last_stream=asked.stream_id - 2)
    shared.upstream.flush()

    with pytest.raises(UpstreamRefusedStream):
        await two.read_head(LONG)
    two.abort()
    assert not shared.near.is_closed
    one.abort()
    assert await shared.has_closed()


async def test_an_idle_connection_whose_upstream_goes_away_is_closed(shared: Shared) -> None:
    shared.upstream.core.go_away()
    shared.upstream.flush()

    assert await shared.has_closed()


async def test_a_head_that_comes_too_late_may_be_sent_elsewhere(shared: Shared) -> None:
    exchange = shared.connection.open_exchange()
    shared.connection.has_ended = True

    with pytest.raises(UpstreamRefusedStream):
        await send_whole(exchange, request())
    exchange.abort()

    assert shared.connection._promised == 0
    assert await shared.has_closed()


async def test_a_connection_says_goodbye(shared: Shared) -> None:
    shared.connection.close()

    assert shared.near.written.endswith(b"\0\0\x08\x07\0\0\0\0\0" + bytes(8))
    assert await shared.has_closed()
