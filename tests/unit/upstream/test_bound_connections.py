"""Connections that one client has authenticated: for that client and that origin, as long as somebody may want them."""

from typing import cast

import pytest
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair

from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Admission
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.upstream.bound_connections import MAX_BOUND, BoundConnections, authenticates_connection
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.http1_client import UpstreamConnection
from iron_proxy.upstream.pool import Pool

ORIGIN, OTHER_ORIGIN = Target("ok.test", 80), Target("other.test", 80)
PERMIT = Permit(ORIGIN, "http", Admission("a rule"))
ONE, OTHER = object(), object()


def connection(owner: object = ONE, origin: Target = ORIGIN, idle_since: float = 0.0) -> UpstreamConnection:
    made = UpstreamConnection(cast(Stream, MemoryStreamPair().left), ("http", origin, False))
    made.bound_to, made.idle_since = owner, idle_since
    return made


def is_closed(connection: UpstreamConnection) -> bool:
    return cast(MemoryStream, connection.stream).is_closed


@pytest.mark.parametrize(
    ("value", "binds"),
    [
        (b"Negotiate YII=", True),
        (b"NTLM TlRM", True),
        (b"negotiate", True),
        (b"nTLM x", True),
        (b"Basic dTpw", False),
        (b"NTLMv2 x", False),
        (b"Negotiating x", False),
        (b"", False),
        (None, False),
    ],
)
def test_the_scheme_tells_whether_credentials_stay_with_the_connection(value: bytes | None, binds: bool) -> None:
    headers = Headers([] if value is None else [(b"AUTHORIZATION", value)])

    assert authenticates_connection(Request("GET", "http", ORIGIN, b"/", headers=headers)) is binds


def test_a_connection_is_its_owners_for_its_origin_and_once() -> None:
    bound = BoundConnections()
    bound.keep(kept := connection())

    assert bound.take(kept.key, OTHER) is None
    assert bound.take(("http", OTHER_ORIGIN, False), ONE) is None
    assert bound.take(kept.key, ONE) is kept
    assert bound.take(kept.key, ONE) is None


def test_the_one_used_last_is_taken_first() -> None:
    bound = BoundConnections()
    kept = [connection(), connection()]
    for each in kept:
        bound.keep(each)

    assert bound.take(kept[0].key, ONE) is kept[1]


def test_there_are_never_too_many() -> None:
    bound = BoundConnections()
    kept = [connection() for _ in range(MAX_BOUND + 1)]
    for each in kept:
        bound.keep(each)

    assert len(bound) == MAX_BOUND
    assert [is_closed(each) for each in kept] == [True] + [False] * MAX_BOUND


def test_what_was_idle_too_long_is_closed_and_at_the_end_all() -> None:
    bound = BoundConnections()
    old, new = connection(idle_since=1.0), connection(idle_since=3.0)
    bound.keep(old)
    bound.keep(new)

    bound.sweep(2.0)
    assert [is_closed(old), is_closed(new), len(bound)] == [True, False, 1]

    bound.close()
    assert is_closed(new)


async def test_the_pool_keeps_them_apart_and_forgets_those_that_end() -> None:
    pool = Pool(cast(Dialer, None))
    try:
        kept = connection()
        pool.give_back(kept)
        assert pool.take_idle(PERMIT) is None
        assert pool.take_idle(PERMIT, False, OTHER) is None
        assert pool.take_idle(PERMIT, False, ONE) is kept

        kept.stream.on_end(lambda: pool._note_end(kept))
        pool.give_back(kept)
        other_end = cast(MemoryStream, kept.stream)._other
        assert other_end is not None
        other_end.close()
        assert is_closed(kept)
        assert pool.take_idle(PERMIT, False, ONE) is None
    finally:
        pool.close()


async def test_the_pool_does_not_keep_one_that_has_ended_or_spoke_unasked() -> None:
    pool = Pool(cast(Dialer, None))
    try:
        spoke, ended = connection(), connection()
        pool.give_back(spoke)
        for each in (spoke, ended):
            far = cast(MemoryStream, each.stream)._other
            assert far is not None
            far.write_nowait(b"HTTP/1.1 200 OK\r\n\r\n") if each is spoke else far.close()
        pool.give_back(ended)

        assert pool.take_idle(PERMIT, False, ONE) is None
        assert [is_closed(spoke), is_closed(ended)] == [True, True]
    finally:
        pool.close()
