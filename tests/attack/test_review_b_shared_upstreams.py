"""One connection to an upstream serves many clients: what one of them does costs the others nothing."""

from collections.abc import AsyncIterator
from typing import cast

import pytest
from tests.fakes.http2_frames import settings
from tests.fakes.http2_in_memory import PERMIT, ChoosingDialer, answer, answer_next
from tests.fakes.served import turns
from tests.unit.upstream.http2_shared import request, send_whole

from iron_proxy.errors import BadRequest
from iron_proxy.protocols.http2.events import RequestReceived, StreamReset
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http2_client import Http2Exchange
from iron_proxy.upstream.pool import Http2Use, Pool

MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6


@pytest.fixture
async def dialer() -> ChoosingDialer:
    return ChoosingDialer("h2")


@pytest.fixture
async def pool(dialer: ChoosingDialer) -> AsyncIterator[Pool]:
    pool = Pool(cast(Dialer, dialer), Http2Use.BOTH)
    yield pool
    pool.close()
    await turns()


async def ask(pool: Pool, dialer: ChoosingDialer) -> Http2Exchange:
    exchange = await pool.connect(PERMIT, http2=True)
    assert isinstance(exchange, Http2Exchange)
    await send_whole(exchange, request())
    return exchange


async def test_a_connection_that_takes_no_streams_is_not_kept(pool: Pool, dialer: ChoosingDialer) -> None:
    """An upstream that says so each time would have us open another for every request, and keep them all."""
    for position in range(5):
        exchange = await ask(pool, dialer)
        upstream = await dialer.upstream(position)
        upstream.stream.write_nowait(settings({MAX_CONCURRENT_STREAMS: 0}))
        await answer_next(upstream)
        await exchange.read_head(1.0)
        pool.give_back(exchange)
        await turns()

    assert [each.is_closed for each in dialer.near] == [True] * 5


async def test_nor_one_that_says_so_when_it_is_idle(pool: Pool, dialer: ChoosingDialer) -> None:
    exchange = await ask(pool, dialer)
    upstream = await dialer.upstream()
    await answer_next(upstream)
    await exchange.read_head(1.0)
    pool.give_back(exchange)
    await turns()
    assert not dialer.near[0].is_closed

    upstream.stream.write_nowait(settings({MAX_CONCURRENT_STREAMS: 0}))
    await turns()

    assert dialer.near[0].is_closed


async def test_requests_that_are_taken_back_do_not_wear_out_a_connection_that_others_use(
    pool: Pool, dialer: ChoosingDialer
) -> None:
    """Upstreams count resets too (CVE-2023-44487), and end the connection of all for those of one."""
    neighbour = await ask(pool, dialer)
    upstream = await dialer.upstream()
    mine = await upstream.take(RequestReceived)
    for _ in range(600):
        exchange = await ask(pool, dialer)
        exchange.close()
        await turns(3)

    resets = [event for event in await upstream.take_all() if isinstance(event, StreamReset)]
    answer(upstream, mine.stream_id)

    assert len(resets) <= 200
    assert (await neighbour.read_head(1.0)).status == 200
    assert len(dialer.near) >= 2


async def test_a_head_that_the_upstream_does_not_take_is_not_sent_to_it(pool: Pool, dialer: ChoosingDialer) -> None:
    """Some end the connection for it, and with it the requests of others (RFC 9113 section 10.5.1)."""
    first = await ask(pool, dialer)
    upstream = await dialer.upstream()
    upstream.stream.write_nowait(settings({MAX_HEADER_LIST_SIZE: 1000}))
    await answer_next(upstream)
    await first.read_head(1.0)
    large = request()
    large.headers.append(b"X-Large", b"v" * 1000)

    exchange = await pool.connect(PERMIT, http2=True)
    with pytest.raises(BadRequest, match="the upstream takes no head of this size") as caught:
        exchange.send_whole(large, b"")
    exchange.abort()

    assert caught.value.status == 431
    assert not [event for event in await upstream.take_all() if isinstance(event, RequestReceived)]
    again = await ask(pool, dialer)
    await answer_next(upstream)
    assert (await again.read_head(1.0)).status == 200
    assert len(dialer.near) == 1
