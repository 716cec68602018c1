"""What the observer of a pool is told: connections that are new and those that are not, and how long answers take."""

import gc
import ssl
import weakref
from collections.abc import Callable, Iterator
from typing import cast

import pytest
from tests.fakes.http2_in_memory import PERMIT, ChoosingDialer
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair
from tests.fakes.served import turns

from iron_proxy.errors import UpstreamError, UpstreamTLSError, UpstreamUnreachable
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.protocols.http2.events import ResponseReceived
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http1_client import UpstreamConnection
from iron_proxy.upstream.http2_client import Http2Exchange
from iron_proxy.upstream.measured_pool import MeasuredPool
from iron_proxy.upstream.outbound_proxy import DIRECT, Route
from iron_proxy.upstream.pool import Http2Use

PLAIN = Permit(Target("ok.test", 80), "http", Admission("a rule"))


class Told:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.milliseconds: list[float] = []
        self.taken_new = self.taken_reused = 0
        self.answered: Callable[[float], None] = self._note_answer

    def connected(self, milliseconds: float, tls_version: str) -> None:
        self.all.append(f"connected {tls_version}".strip())
        self.milliseconds.append(milliseconds)

    def not_connected(self, *, by_handshake: bool) -> None:
        self.all.append("handshake failed" if by_handshake else "not connected")

    def _note_answer(self, milliseconds: float) -> None:
        self.all.append("answered")
        self.milliseconds.append(milliseconds)


class FakeDialer:
    """Dials into memory, or fails with `error`."""

    def __init__(self) -> None:
        self.error: UpstreamError | None = None
        self.upstreams: list[MemoryStream] = []

    def route(self, permit: Permit, *, tunnel: bool = False) -> Route:
        return DIRECT

    async def dial(
        self, permit: Permit, session: ssl.SSLSession | None = None, *, alpn: tuple[str, ...] = (), tunnel: bool = False
    ) -> Stream:
        if self.error is not None:
            raise self.error
        pair = MemoryStreamPair()
        self.upstreams.append(pair.right)
        return cast(Stream, pair.left)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def dialer() -> FakeDialer:
    return FakeDialer()


@pytest.fixture
def pool(dialer: FakeDialer, told: Told) -> Iterator[MeasuredPool]:
    pool = MeasuredPool(cast(Dialer, dialer), Http2Use.BOTH, told)
    yield pool
    pool.close()


@pytest.fixture
def without_collections() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def exchange(pool: MeasuredPool, dialer: FakeDialer, answer: bytes) -> UpstreamConnection:
    """Ask for something on an idle connection or a new one, and give it back."""
    connection = pool.take_idle(PLAIN) or await pool.connect(PLAIN)
    assert isinstance(connection, UpstreamConnection)
    connection.expect("GET")
    dialer.upstreams[0].write_nowait(answer)
    head = await connection.read_head(1.0)
    pool.note_answer(connection)
    while head.status < 200:
        head = await connection.read_head(1.0)
        pool.note_answer(connection)
    pool.give_back(connection)
    return connection


async def test_a_second_request_goes_on_the_same_connection(
    pool: MeasuredPool, dialer: FakeDialer, told: Told
) -> None:
    first = await exchange(pool, dialer, b"HTTP/1.1 204 No Content\r\n\r\n")
    second = await exchange(pool, dialer, b"HTTP/1.1 204 No Content\r\n\r\n")

    assert first is second
    assert told.all == ["connected", "answered", "answered"]
    assert (told.taken_new, told.taken_reused) == (1, 1)
    assert all(0 <= each < 10_000 for each in told.milliseconds)


async def test_the_first_head_is_what_counts(pool: MeasuredPool, dialer: FakeDialer, told: Told) -> None:
    await exchange(pool, dialer, b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")

    assert told.all == ["connected", "answered"]


async def test_an_answer_that_does_not_come_is_not_counted(
    pool: MeasuredPool, dialer: FakeDialer, told: Told
) -> None:
    connection = await pool.connect(PLAIN)
    dialer.upstreams[0].close()

    with pytest.raises(UpstreamError):
        await connection.read_head(1.0)

    assert told.all == ["connected"]


async def test_a_connection_for_an_upgrade_is_one_too(pool: MeasuredPool, told: Told) -> None:
    await pool.connect_http1(PLAIN)

    assert (told.all, told.taken_new) == (["connected"], 1)


@pytest.mark.parametrize(
    ("error", "what"),
    [(UpstreamTLSError("expired"), "handshake failed"), (UpstreamUnreachable("refused"), "not connected")],
)
async def test_what_cannot_be_opened_is_told_by_cause(
    pool: MeasuredPool, dialer: FakeDialer, told: Told, error: UpstreamError, what: str
) -> None:
    dialer.error = error
    with pytest.raises(type(error)):
        await pool.connect(PLAIN)

    assert told.all == [what]


async def test_streams_of_http2_are_timed_and_leave_no_cycle(told: Told, without_collections: None) -> None:
    pool = MeasuredPool(cast(Dialer, ChoosingDialer("h2")), Http2Use.BOTH, told)
    first = await pool.connect(PERMIT, http2=True)
    assert isinstance(first, Http2Exchange)
    head = ResponseHead()
    head.status = 200
    first.receive_head(ResponseReceived(1, head, True, frozenset()))

    assert await first.read_head(1.0) is head
    pool.note_answer(first)
    assert told.all == ["connected TLSv1.3", "answered"]

    gone = weakref.ref(first)
    first.abort()
    del first
    assert gone() is None
    pool.close()
    await turns()
