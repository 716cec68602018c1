"""Idle connections: the newest first, never too many, never a stale one, never one that spoke unasked."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import cast

import pytest
from tests.fakes.loopback import RecordingServer, client_context, closed, server_context
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair
from tests.fakes.resolver import FakeResolver

from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams import tls_stream
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.upstream import pool as pool_module
from iron_proxy.upstream.deny_list import DenyList
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http1_client import UpstreamConnection
from iron_proxy.upstream.outbound_proxy import DIRECT, Route
from iron_proxy.upstream.pool import Pool
from iron_proxy.upstream.trust import HTTP1

LONG = 5.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class FakeDialer:
    """Dials into memory; `upstreams` are the far ends, in the order they were dialled."""

    def __init__(self) -> None:
        self.upstreams: list[MemoryStream] = []

    def route(self, permit: Permit, *, tunnel: bool = False) -> Route:
        return DIRECT

    async def dial(
        self, permit: Permit, session: ssl.SSLSession | None = None, *, alpn: tuple[str, ...] = (), tunnel: bool = False
    ) -> Stream:
        pair = MemoryStreamPair()
        self.upstreams.append(pair.right)
        return cast(Stream, pair.left)


@pytest.fixture
def dialer() -> FakeDialer:
    return FakeDialer()


@pytest.fixture
async def pool(dialer: FakeDialer) -> AsyncIterator[Pool]:
    pool = Pool(cast(Dialer, dialer))
    yield pool
    pool.close()


def permit(host: str = "ok.test", port: int = 80, scheme: str = "http", *, named: bool = False) -> Permit:
    return Permit(Target(host, port), scheme, Admission("a rule", named))


async def used(pool: Pool, permit: Permit) -> UpstreamConnection:
    """A new connection that has served one exchange."""
    connection = await pool.connect(permit)
    assert isinstance(connection, UpstreamConnection)
    connection.uses = 1
    return connection


def is_closed(connection: UpstreamConnection) -> bool:
    return cast(MemoryStream, connection.stream).is_closed


async def test_without_an_idle_connection_there_is_none_to_take(pool: Pool) -> None:
    assert pool.take_idle(permit()) is None


async def test_a_connection_that_was_given_back_is_taken_once(pool: Pool) -> None:
    connection = await used(pool, permit())
    pool.give_back(connection)

    assert pool.take_idle(permit()) is connection
    assert pool.take_idle(permit()) is None


async def test_the_connection_used_last_is_taken_first(pool: Pool) -> None:
    connections = [await used(pool, permit()) for _ in range(3)]
    for connection in connections:
        pool.give_back(connection)

    assert [pool.take_idle(permit()) for _ in range(3)] == connections[::-1]


@pytest.mark.parametrize(
    "other",
    [permit("other.test"), permit(port=8080), permit(scheme="https"), permit(named=True)],
    ids=["another host", "another port", "another scheme", "another right to dial"],
)
async def test_a_connection_serves_its_own_origin_only(pool: Pool, other: Permit) -> None:
    pool.give_back(await used(pool, permit()))

    assert pool.take_idle(other) is None
    assert pool.take_idle(permit()) is not None


async def test_an_origin_keeps_so_many_idle_connections_and_no_more(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "MAX_IDLE_PER_ORIGIN", 2)
    connections = [await used(pool, permit()) for _ in range(3)]
    for connection in connections:
        pool.give_back(connection)

    assert [is_closed(connection) for connection in connections] == [False, False, True]


async def test_all_origins_together_keep_so_many_and_no_more(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MAX_IDLE", 2)
    connections = [await used(pool, permit(f"h{number}.test")) for number in range(3)]
    for connection in connections:
        pool.give_back(connection)
    assert [is_closed(connection) for connection in connections] == [False, False, True]

    pool.take_idle(permit("h0.test"))
    pool.give_back(await used(pool, permit("h3.test")))

    assert pool.take_idle(permit("h3.test")) is not None


async def test_connections_that_were_idle_too_long_are_closed(
    pool: Pool, dialer: FakeDialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(pool_module, "_SWEEP_SECONDS", 0.001)
    connection = await used(pool, permit())
    closing = asyncio.Event()
    pool.give_back(connection)
    dialer.upstreams[0].on_end(closing.set)

    await asyncio.wait_for(closing.wait(), LONG)

    assert is_closed(connection)
    assert pool.take_idle(permit()) is None


async def test_connections_that_were_idle_for_a_while_only_are_kept(
    pool: Pool, dialer: FakeDialer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_SWEEP_SECONDS", 0.001)
    old, new = await used(pool, permit()), await used(pool, permit())
    pool.give_back(old)
    pool.give_back(new)
    old.idle_since -= pool_module.IDLE_SECONDS + 1
    closing = asyncio.Event()
    dialer.upstreams[0].on_end(closing.set)

    await asyncio.wait_for(closing.wait(), LONG)

    assert [is_closed(old), is_closed(new)] == [True, False]
    assert pool.take_idle(permit()) is new


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_a_connection_that_the_upstream_ends_leaves_the_pool_at_once(
    pool: Pool, dialer: FakeDialer, ending: str
) -> None:
    connection = await used(pool, permit())
    pool.give_back(connection)

    getattr(dialer.upstreams[0], ending)()

    assert is_closed(connection)
    assert pool.take_idle(permit()) is None


async def test_a_connection_that_has_ended_is_not_kept(pool: Pool, dialer: FakeDialer) -> None:
    connection = await used(pool, permit())
    dialer.upstreams[0].close()

    pool.give_back(connection)

    assert is_closed(connection)
    assert pool.take_idle(permit()) is None


async def test_the_end_of_a_connection_in_use_is_not_the_pools_affair(pool: Pool, dialer: FakeDialer) -> None:
    connection = await used(pool, permit())
    pool.give_back(connection)
    assert pool.take_idle(permit()) is connection

    dialer.upstreams[0].close()

    assert not is_closed(connection)


async def test_a_connection_that_spoke_unasked_is_discarded_and_the_next_is_taken(
    pool: Pool, dialer: FakeDialer
) -> None:  # H1-27
    quiet, unquiet = await used(pool, permit()), await used(pool, permit())
    pool.give_back(quiet)
    pool.give_back(unquiet)
    dialer.upstreams[1].write_nowait(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")

    assert pool.take_idle(permit()) is quiet
    assert is_closed(unquiet)


async def test_a_pool_that_closes_closes_what_is_idle(pool: Pool) -> None:
    idle, in_use = await used(pool, permit()), await used(pool, permit())
    pool.give_back(idle)

    pool.close()

    assert [is_closed(idle), is_closed(in_use)] == [True, False]
    assert pool.take_idle(permit()) is None


# --- TLS ------------------------------------------------------------------------------------------------------------


async def exchange(connection: UpstreamConnection, upstream: Stream, surplus: bytes = b"") -> None:
    connection.expect("GET")
    await connection.write(b"GET / HTTP/1.1\r\n\r\n")
    await upstream.read(LONG)
    await upstream.write(ANSWER, LONG)
    await connection.reader.read_head(LONG)
    while await connection.reader.read_body():
        pass
    if surplus:
        await upstream.write(surplus, LONG)
        while not connection.stream.has_unread:
            await asyncio.sleep(0)


@pytest.fixture
async def server() -> AsyncIterator[RecordingServer]:
    async with RecordingServer("127.0.1.1", tls=server_context("ok.test")) as server:
        yield server


class RecordingDialer(Dialer):
    """A real one that notes which session each dial was to resume."""

    def __init__(self) -> None:
        resolver = FakeResolver({"ok.test": ["127.0.1.1"]})
        super().__init__(resolver, DenyList([]), client_context(), lambda address, port: False)
        self.sessions: list[ssl.SSLSession | None] = []

    async def dial(
        self,
        permit: Permit,
        session: ssl.SSLSession | None = None,
        *,
        alpn: tuple[str, ...] = HTTP1,
        tunnel: bool = False,
    ) -> Stream:
        self.sessions.append(session)
        return await super().dial(permit, session, alpn=alpn, tunnel=tunnel)


@pytest.fixture
def tls_dialer() -> RecordingDialer:
    return RecordingDialer()


@pytest.fixture
async def tls_pool(tls_dialer: RecordingDialer) -> AsyncIterator[Pool]:
    pool = Pool(tls_dialer)
    yield pool
    pool.close()


async def connected(pool: Pool, server: RecordingServer) -> tuple[UpstreamConnection, Stream]:
    connection, far_end = await asyncio.gather(pool.connect(permit("ok.test", server.port, "https")), server.accepted())
    assert isinstance(connection, UpstreamConnection)
    return connection, far_end


async def test_session_tickets_are_nothing_unasked(tls_pool: Pool, server: RecordingServer) -> None:
    connection, _ = await connected(tls_pool, server)
    while not connection.stream.has_unread:  # TLS 1.3 sends its tickets behind the handshake
        await asyncio.sleep(0)

    tls_pool.give_back(connection)

    assert tls_pool.take_idle(permit("ok.test", server.port, "https")) is connection
    await closed(connection.stream)


async def test_data_over_tls_that_came_unasked_is_noticed(tls_pool: Pool, server: RecordingServer) -> None:
    connection, upstream = await connected(tls_pool, server)
    await exchange(connection, upstream, surplus=b"HTTP/1.1 200 OK\r\n")
    tls_pool.give_back(connection)

    assert tls_pool.take_idle(permit("ok.test", server.port, "https")) is None
    await closed(connection.stream)


async def test_a_close_notify_is_noticed_even_without_a_fin(tls_pool: Pool, server: RecordingServer) -> None:
    connection, upstream = await connected(tls_pool, server)
    await exchange(connection, upstream)
    tls_pool.give_back(connection)
    await upstream.write_end()
    while not (connection.stream.has_unread or connection.stream.has_ended):
        await asyncio.sleep(0)

    assert tls_pool.take_idle(permit("ok.test", server.port, "https")) is None
    await closed(connection.stream)


async def test_the_next_connection_to_an_origin_resumes_its_session(
    tls_pool: Pool, tls_dialer: RecordingDialer, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_stream, "SESSIONS_LEAK", False)
    first, upstream = await connected(tls_pool, server)
    await exchange(first, upstream)
    tls_pool.give_back(first)

    second, _ = await connected(tls_pool, server)

    assert tls_dialer.sessions[0] is None
    assert tls_dialer.sessions[1] is not None
    await closed(first.stream, second.stream)


async def test_only_so_many_sessions_are_kept(
    tls_pool: Pool, tls_dialer: RecordingDialer, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "MAX_SESSIONS", 0)
    first, upstream = await connected(tls_pool, server)
    await exchange(first, upstream)
    tls_pool.give_back(first)

    second, _ = await connected(tls_pool, server)

    assert tls_dialer.sessions == [None, None]
    await closed(first.stream, second.stream)
