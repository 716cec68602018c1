"""What nobody looks at is not buffered; what somebody looked at is forwarded whole; a broken body stays broken."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.body_source import FakeBodySource

from iron_proxy.errors import ClientDisconnected
from iron_proxy.messages.body import Body, BodySource
from iron_proxy.messages.headers import Pair

PIECES = [b"hello ", b"wor", b"ld"]
WHOLE = b"hello world"


async def pieces_of(body: Body) -> list[bytes]:
    pieces = []
    while piece := await body.read():
        pieces.append(piece)
    return pieces


def streaming(here: int | None = None) -> Body:
    return Body(FakeBodySource(PIECES, here=here), None)


# --- reading --------------------------------------------------------------------------------------------------------


async def test_a_body_that_nobody_looks_at_streams_piece_by_piece() -> None:
    source = FakeBodySource(PIECES)
    body = Body(source, len(WHOLE))

    assert await body.read() == b"hello "
    assert source.reads == 1
    assert await pieces_of(body) == [b"wor", b"ld"]
    assert await body.read() == b""


async def test_no_body_ends_at_once() -> None:
    body = Body.empty()

    assert body.is_empty
    assert not body.trailers
    assert await body.read() == b""
    assert body.read_nowait() == b""
    assert await body.peek(10) == (b"", True)
    assert body.gather_nowait(10) == b""


async def test_a_body_that_is_here_is_one_piece() -> None:
    body = Body.of(WHOLE)

    assert body.length == len(WHOLE)
    assert await pieces_of(body) == [WHOLE]
    assert Body.of(b"").is_empty


async def test_trailers_are_there_after_the_end() -> None:
    body = Body(FakeBodySource([b"x"], trailers=[(b"Grpc-Status", b"0")]), None)

    await pieces_of(body)

    assert body.trailers == [(b"Grpc-Status", b"0")]


async def test_read_nowait_never_waits_and_loses_nothing() -> None:
    body = streaming(here=1)

    assert body.read_nowait() == b"hello "
    assert body.read_nowait() is None
    assert await body.read() == b"wor"
    assert body.read_nowait() is None
    assert await pieces_of(body) == [b"ld"]
    assert body.read_nowait() == b""


async def test_read_nowait_replays_what_was_peeked_at() -> None:
    body = streaming()
    await body.peek(3)

    assert body.read_nowait() == b"hello "
    assert [body.read_nowait() for _ in range(3)] == [b"wor", b"ld", b""]


# --- peeking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "seen"),
    [
        (0, (b"", False)),
        (5, (b"hello", False)),
        (6, (b"hello ", False)),
        (10, (b"hello worl", False)),
        (11, (WHOLE, True)),
        (12, (WHOLE, True)),
    ],
)
async def test_a_limit_bounds_what_is_seen_and_never_what_is_forwarded(limit: int, seen: tuple[bytes, bool]) -> None:
    body = streaming()

    assert await body.peek(limit) == seen
    assert await body.peek(limit) == seen
    assert b"".join(await pieces_of(body)) == WHOLE


async def test_a_peek_reads_no_further_than_it_must() -> None:
    source = FakeBodySource(PIECES)

    await Body(source, None).peek(5)

    assert source.reads == 1


async def test_a_longer_peek_goes_on_where_the_shorter_one_stopped() -> None:
    body = streaming()

    assert await body.peek(2) == (b"he", False)
    assert await body.peek(8) == (b"hello wo", False)
    assert await body.peek(99) == (WHOLE, True)
    assert b"".join(await pieces_of(body)) == WHOLE


async def test_a_peek_between_two_reads_of_what_was_seen_loses_nothing() -> None:
    body = streaming(here=2)
    body.gather_nowait(99)
    first = await body.read()

    await body.peek(99)

    assert first + b"".join(await pieces_of(body)) == WHOLE


async def test_a_body_that_has_streamed_past_cannot_be_peeked_at() -> None:
    body = streaming()
    await body.read()

    with pytest.raises(RuntimeError):
        await body.peek(5)


# --- gathering ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "limit", "gathered"),
    [
        (4, 99, WHOLE),
        (4, 11, WHOLE),
        (4, 10, None),
        (4, 0, None),
        (3, 99, None),
        (0, 99, None),
    ],
    ids=["all here", "exactly the limit", "over the limit", "no limit to speak of", "all but the end", "nothing here"],
)
async def test_a_body_is_gathered_only_if_all_of_it_is_here(here: int, limit: int, gathered: bytes | None) -> None:
    body = streaming(here=here)

    assert body.gather_nowait(limit) == gathered
    assert b"".join(await pieces_of(body)) == WHOLE


async def test_a_single_piece_is_gathered_as_it_is() -> None:
    assert Body(FakeBodySource([WHOLE]), None).gather_nowait(99) is WHOLE
    assert Body.of(WHOLE).gather_nowait(99) is WHOLE


async def test_what_was_peeked_at_is_part_of_what_is_gathered() -> None:
    body = streaming()
    await body.peek(2)

    assert body.gather_nowait(99) == WHOLE


async def test_a_body_on_its_way_out_is_not_gathered() -> None:
    body = streaming()
    await body.read()

    assert body.gather_nowait(99) is None
    assert await pieces_of(body) == [b"wor", b"ld"]


# --- replacing and starting again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"short", b"longer than it was"])
async def test_a_body_that_was_seen_whole_can_be_replaced(content: bytes) -> None:
    body = streaming()
    await body.peek(99)

    body.replace(content)

    assert body.length == len(content)
    assert await body.peek(99) == (content, True)
    assert b"".join(await pieces_of(body)) == content


async def test_a_body_that_was_not_seen_whole_cannot_be_replaced() -> None:
    body = streaming()
    await body.peek(5)

    with pytest.raises(RuntimeError):
        body.replace(b"x")
    assert b"".join(await pieces_of(body)) == WHOLE


async def test_trailers_survive_a_replacement() -> None:
    body = Body(FakeBodySource([b"x"], trailers=[(b"Grpc-Status", b"0")]), None)
    await body.peek(99)

    body.replace(b"y")

    assert body.trailers == [(b"Grpc-Status", b"0")]


async def test_a_body_that_was_kept_can_start_again() -> None:
    body = streaming()
    await body.peek(99)
    assert body.is_replayable
    first = await pieces_of(body)

    body.rewind()

    assert await pieces_of(body) == first == [WHOLE]


async def test_a_body_that_streamed_past_cannot_start_again() -> None:
    body = streaming()
    await pieces_of(body)

    assert not body.is_replayable
    with pytest.raises(RuntimeError):
        body.rewind()


async def test_a_body_knows_whether_it_was_touched() -> None:
    untouched, peeked, read = streaming(), streaming(), streaming()
    await peeked.peek(1)
    await read.read()

    assert [untouched.is_untouched, peeked.is_untouched, read.is_untouched] == [True, False, False]


# --- breaking -------------------------------------------------------------------------------------------------------


async def test_a_body_that_ends_improperly_raises_behind_what_came() -> None:
    body = Body(FakeBodySource([b"half"], failure=ClientDisconnected("gone")), 99)

    assert await body.read() == b"half"
    with pytest.raises(ClientDisconnected):
        await body.read()


async def test_a_peek_into_a_broken_body_raises_and_does_not_heal_it() -> None:
    body = Body(FakeBodySource([b"half"], failure=ClientDisconnected("gone")), 99)

    with pytest.raises(ClientDisconnected):
        await body.peek(99)
    assert not body.is_replayable
    with pytest.raises(RuntimeError):
        body.replace(b"whole")
    with pytest.raises(ClientDisconnected):
        await pieces_of(body)


def test_gathering_a_broken_body_raises() -> None:
    body = Body(FakeBodySource([b"half"], failure=ClientDisconnected("gone")), 99)

    with pytest.raises(ClientDisconnected):
        body.gather_nowait(99)


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=5), max_size=6),
    looks=st.lists(st.tuples(st.sampled_from(["peek", "gather"]), st.integers(0, 30)), max_size=4),
    here=st.integers(0, 7),
)
async def test_whatever_was_looked_at_the_whole_body_is_forwarded(
    pieces: list[bytes], looks: list[tuple[str, int]], here: int
) -> None:
    body = Body(FakeBodySource(pieces, here=here), None)

    for look, limit in looks:
        if look == "peek":
            await body.peek(limit)
        else:
            body.gather_nowait(limit)

    assert b"".join(await pieces_of(body)) == b"".join(pieces)


# --- changed on its way ---------------------------------------------------------------------------------------------


class Shouting:
    """A source that changes what another one gives."""

    def __init__(self, source: BodySource) -> None:
        self.trailers: Sequence[Pair] = ()
        self._source = source

    async def read_body(self) -> bytes:
        piece = await self._source.read_body()
        self.trailers = self._source.trailers
        return piece.upper()

    def read_body_nowait(self) -> bytes | None:
        piece = self._source.read_body_nowait()
        self.trailers = self._source.trailers
        return None if piece is None else piece.upper()


async def test_a_wrapped_body_passes_through_with_what_was_seen_of_it() -> None:
    body = streaming()
    await body.peek(3)

    body.stream_through(Shouting, None)

    assert b"".join(await pieces_of(body)) == WHOLE.upper()
    assert body.length is None


async def test_a_wrapped_body_has_its_trailers_at_its_end() -> None:
    body = Body(FakeBodySource(PIECES, trailers=[(b"X-Sum", b"1")]), None)

    body.stream_through(Shouting, 11)

    assert not body.trailers
    assert [body.read_nowait(), body.read_nowait(), body.read_nowait()] == [b"HELLO ", b"WOR", b"LD"]
    assert (body.read_nowait(), body.trailers, body.length) == (b"", [(b"X-Sum", b"1")], 11)


async def test_a_body_that_has_begun_to_go_by_cannot_be_wrapped() -> None:
    body = streaming()
    await body.read()

    with pytest.raises(RuntimeError):
        body.stream_through(Shouting, None)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_unwanted_trailers_are_left_out(wrapped: bool) -> None:
    body = Body(FakeBodySource([b"x"], trailers=[(b"A", b"1"), (b"B", b"2"), (b"C", b"3")]), None)
    body.leave_out_trailers(lambda name: name == b"A")
    body.leave_out_trailers(lambda name: name == b"C")
    if wrapped:
        body.stream_through(lambda source: source, None)

    assert [await body.read(), await body.read()] == [b"x", b""]
    assert body.trailers == [(b"B", b"2")]


async def test_a_body_counts_what_it_has_handed_out_and_nothing_twice() -> None:
    body = Body(FakeBodySource(PIECES), len(WHOLE))
    await body.peek(3)
    assert body.passed == 0

    await body.read()
    assert body.passed == len(PIECES[0])
    await pieces_of(body)
    assert body.passed == len(WHOLE)

    kept = Body.of(b"hello")
    kept.read_nowait()
    kept.rewind()
    kept.read_nowait()
    assert kept.passed == 5
