"""Which version a connection to an upstream speaks, and how long connections of HTTP/2 are kept."""

import asyncio
from typing import Self, cast

import pytest
from tests.fakes.http2_in_memory import PERMIT, ChoosingDialer, MemoryTLS
from tests.fakes.memory_stream import MemoryStreamPair
from tests.fakes.served import LONG, turns

from iron_proxy.errors import UpstreamALPNRefused, UpstreamDisconnected, UpstreamProtocolError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Admission
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.upstream import pool as pool_module
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http1_client import UpstreamConnection
from iron_proxy.upstream.http2_client import Http2Exchange
from iron_proxy.upstream.pool import Http2Use, Pool
from iron_proxy.upstream.trust import HTTP1, HTTP2_OR_1


class Choosing:
    """A pool, and upstreams that speak what it is made with."""

    def __init__(self, *speaks: str, use: Http2Use = Http2Use.BOTH) -> None:
        self.dialer = ChoosingDialer(*speaks)
        self.pool = Pool(cast(Dialer, self.dialer), use)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.pool.close()
        await turns()

    async def version(self, *, http2: bool, permit: Permit = PERMIT) -> str:
        """Connect; which version it became."""
        return "h2" if isinstance(await self.pool.connect(permit, http2=http2), Http2Exchange) else "http/1.1"


@pytest.mark.parametrize(
    ("use", "speaks", "http2", "version"),
    [
        (Http2Use.BOTH, ("h2", "http/1.1"), True, "h2"),
        (Http2Use.BOTH, ("h2", "http/1.1"), False, "http/1.1"),
        (Http2Use.BOTH, ("http/1.1",), True, "http/1.1"),
        (Http2Use.BOTH, ("h2",), False, "h2"),
        (Http2Use.UPSTREAMS, ("h2", "http/1.1"), False, "h2"),
        (Http2Use.CLIENTS, ("h2", "http/1.1"), True, "http/1.1"),
        (Http2Use.OFF, ("h2", "http/1.1"), True, "http/1.1"),
    ],
    ids=[
        "both speak it", "the client does not", "the upstream does not", "the upstream speaks nothing else",
        "upstreams are preferred to", "clients only", "off",
    ],
)  # fmt: skip
async def test_the_version_is_one_that_both_sides_speak(
    use: Http2Use, speaks: tuple[str, ...], http2: bool, version: str
) -> None:
    async with Choosing(*speaks, use=use) as choosing:
        assert await choosing.version(http2=http2) == version


async def test_http2_is_spoken_over_tls_only() -> None:
    async with Choosing("h2", "http/1.1") as choosing:
        assert (
            await choosing.version(http2=True, permit=Permit(Target("ok.test", 80), "http", Admission("a rule")))
            == "http/1.1"
        )
        assert choosing.dialer.offers == [HTTP1]


async def test_an_origin_that_speaks_http2_only_is_remembered() -> None:
    async with Choosing("h2") as choosing:
        await choosing.version(http2=False)
        await choosing.dialer.upstream()
        await turns()

        assert await choosing.version(http2=False) == "h2"
        assert choosing.dialer.offers == [HTTP1, HTTP2_OR_1]
        assert choosing.pool.take_idle(PERMIT) is None  # an HTTP/1.1 request asks for its own kind first


@pytest.mark.parametrize("use", [Http2Use.CLIENTS, Http2Use.OFF])
async def test_without_http2_an_origin_that_speaks_nothing_else_is_an_error(use: Http2Use) -> None:
    async with Choosing("h2", use=use) as choosing:
        with pytest.raises(UpstreamALPNRefused):
            await choosing.version(http2=False)


async def test_an_upgrade_is_made_in_http1() -> None:
    async with Choosing("h2", "http/1.1", use=Http2Use.UPSTREAMS) as choosing:
        connection = await choosing.pool.connect_http1(PERMIT)

        assert choosing.dialer.offers == [HTTP1]
        connection.close()


async def test_a_shared_connection_is_taken_by_requests_of_its_own_version() -> None:
    async with Choosing("h2", "http/1.1") as choosing:
        await choosing.version(http2=True)
        await choosing.dialer.upstream()
        await turns()

        assert choosing.pool.take_idle(PERMIT) is None
        assert isinstance(choosing.pool.take_idle(PERMIT, http2=True), Http2Exchange)


async def test_an_idle_connection_of_http1_serves_where_there_is_no_other() -> None:
    async with Choosing("http/1.1") as choosing:
        connection = await choosing.pool.connect(PERMIT, http2=True)
        assert isinstance(connection, UpstreamConnection)
        connection.uses = 1
        choosing.pool.give_back(connection)

        assert choosing.pool.take_idle(PERMIT, http2=True) is connection


async def test_a_stream_that_is_given_back_leaves_its_connection_open() -> None:
    async with Choosing("h2") as choosing:
        exchange = await choosing.pool.connect(PERMIT, http2=True)
        assert isinstance(exchange, Http2Exchange)
        choosing.pool.give_back(exchange)

        assert exchange.connection.is_idle
        assert not choosing.dialer.near[0].is_closed


async def test_an_idle_shared_connection_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", -1.0)
    monkeypatch.setattr(pool_module, "_SWEEP_SECONDS", 0.001)
    async with Choosing("h2") as choosing:
        exchange = await choosing.pool.connect(PERMIT, http2=True)
        closing = asyncio.Event()
        choosing.dialer.far[0].on_end(closing.set)
        await asyncio.sleep(0.005)
        assert not closing.is_set()  # in use
        choosing.pool.give_back(exchange)

        await asyncio.wait_for(closing.wait(), LONG)

        assert choosing.pool.take_idle(PERMIT, http2=True) is None


async def test_a_pool_that_closes_ends_shared_connections_and_their_exchanges() -> None:
    async with Choosing("h2") as choosing:
        exchange = await choosing.pool.connect(PERMIT, http2=True)
        assert isinstance(exchange, Http2Exchange)
        await exchange.send_head(Request("GET", "https", PERMIT.target, b"/", b"", Headers([]), Body.empty()))

        choosing.pool.close()

        with pytest.raises(UpstreamDisconnected, match="was closed"):
            await exchange.read_head(LONG)
        assert choosing.dialer.near[0].is_closed


async def test_a_connection_without_tls_that_was_to_speak_http2_is_closed() -> None:
    class Careless(ChoosingDialer):
        async def dial(self, *arguments: object, **more: object) -> Stream:
            pair = MemoryStreamPair()
            self.far.append(pair.left)
            return cast(Stream, pair.left)

    pool = Pool(cast(Dialer, dialer := Careless()))

    with pytest.raises(UpstreamProtocolError):
        await pool.connect(PERMIT, http2=True)

    assert dialer.far[0].is_closed
    pool.close()


class FakeTLS(MemoryTLS):
    """One that can be resumed."""

    session = object()  # type: ignore[assignment]  # nobody looks into it


async def test_sessions_are_resumed_for_what_they_were_made_for() -> None:
    """A ticket for HTTP/1.1 only would bring the next handshake to that."""
    async with Choosing("http/1.1") as choosing:
        for http2 in (False, True, False, True):
            connection = await choosing.pool.connect(PERMIT, http2=http2)
            assert isinstance(connection, UpstreamConnection)
            choosing.dialer.near[-1].__class__ = FakeTLS
            connection.uses = 1
            choosing.pool.give_back(connection)
            assert choosing.pool.take_idle(PERMIT) is connection
            connection.close()

        assert [session is None for session in choosing.dialer.sessions] == [True, True, False, False]
