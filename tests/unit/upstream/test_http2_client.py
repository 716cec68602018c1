"""Exchanges over a shared connection: one's fate is its own, and what an upstream says is heard."""

import asyncio

import pytest
from tests.fakes.http2_frames import data, frame
from tests.fakes.http2_in_memory import answer, refuse
from tests.fakes.served import LONG, turns
from tests.unit.upstream.http2_shared import Shared, request, send_whole

from iron_proxy.errors import (
    IronProxyError,
    UpstreamDisconnected,
    UpstreamProtocolError,
    UpstreamRefusedStream,
    UpstreamTimeout,
)
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.protocols.http1.limits import MAX_INFORMATIONAL
from iron_proxy.protocols.http2.events import DataReceived, RequestReceived, StreamEnded, StreamReset, TrailersReceived
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.upstream import http2_client
from iron_proxy.upstream.http2_client import Http2Exchange

# --- exchanges ------------------------------------------------------------------------------------------------------


async def test_a_request_goes_out_and_its_response_comes_in(shared: Shared) -> None:
    exchange, asked = await shared.ask("POST", b"hello")
    assert (await shared.upstream.take(DataReceived)).data == b"hello"
    await shared.upstream.take(StreamEnded)
    answer(shared.upstream, asked.stream_id, b"world", 201)

    head = await exchange.read_head(LONG)

    assert (asked.head.method, asked.head.target, asked.head.pairs[0]) == ("POST", b"/a?q=1", (b"x-a", b"1"))
    assert head.status == 201
    assert [await exchange.read_body(), await exchange.read_body()] == [b"world", b""]
    assert exchange.received_any
    assert exchange.is_reusable(head)


async def test_an_upload_goes_out_piece_by_piece_with_its_trailers(shared: Shared) -> None:
    exchange, asked = await shared.upload()
    await exchange.send_piece(b"hello")
    assert (await shared.upstream.take(DataReceived)).data == b"hello"
    await exchange.end_request([(b"x-sum", b"1")])

    assert list((await shared.upstream.take(TrailersReceived)).pairs) == [(b"x-sum", b"1")]
    assert not exchange.is_reusable(await response_to(shared, exchange, asked, end=False))


async def response_to(
    shared: Shared, exchange: Http2Exchange, asked: RequestReceived, *, end: bool = True
) -> ResponseHead:
    answer(shared.upstream, asked.stream_id, end=end)
    return await exchange.read_head(LONG)


async def test_exchanges_share_the_connection(shared: Shared) -> None:
    exchanges = [await shared.ask() for _ in range(3)]
    for number, (_, asked) in reversed(list(enumerate(exchanges))):
        answer(shared.upstream, asked.stream_id, b"%d" % number)

    bodies = [(await each.read_head(LONG)).status and await each.read_body() for each, _ in exchanges]

    assert bodies == [b"0", b"1", b"2"]


async def test_informational_heads_come_one_by_one(shared: Shared) -> None:
    exchange, asked = await shared.ask()
    for status in (103, 200):
        answer(shared.upstream, asked.stream_id, status=status)

    assert [(await exchange.read_head(LONG)).status for _ in range(2)] == [103, 200]


async def test_informational_heads_without_end_are_an_error(shared: Shared) -> None:
    exchange, asked = await shared.ask()
    for _ in range(MAX_INFORMATIONAL + 1):
        answer(shared.upstream, asked.stream_id, status=103)
    await shared.upstream.take(StreamReset)

    for _ in range(MAX_INFORMATIONAL):
        await exchange.read_head(LONG)
    with pytest.raises(UpstreamProtocolError, match="too many 1xx"):
        await exchange.read_head(LONG)


async def test_an_exchange_that_is_over_gives_its_stream_back(shared: Shared) -> None:
    exchange, asked = await shared.ask()
    await response_to(shared, exchange, asked)
    exchange.close()
    exchange.close()
    exchange.abort()

    assert shared.connection.is_idle
    assert not any(isinstance(event, StreamReset) for event in await shared.upstream.take_all())


@pytest.mark.parametrize("way", ["close", "abort"])
async def test_an_exchange_that_is_given_up_is_cancelled(shared: Shared, way: str) -> None:
    exchange, asked = await shared.ask()
    answer(shared.upstream, asked.stream_id, b"half", end=False)
    await exchange.read_head(LONG)
    getattr(exchange, way)()

    assert (await shared.upstream.take(StreamReset)).code == ErrorCode.CANCEL
    assert shared.connection.is_idle
    assert not shared.near.is_closed


async def test_an_exchange_that_is_not_used_takes_no_room(shared: Shared) -> None:
    exchange = shared.connection.open_exchange()
    assert not shared.connection.is_idle
    exchange.close()

    assert shared.connection.is_idle
    assert shared.connection._promised == 0


async def test_what_comes_for_an_exchange_that_has_gone_is_dropped(shared: Shared) -> None:
    exchange, asked = await shared.ask()
    answer(shared.upstream, asked.stream_id, b"late")
    exchange.close()
    await turns()

    second, asked = await shared.ask()
    assert (await response_to(shared, second, asked)).status == 200


# --- what an upstream does ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (ErrorCode.REFUSED_STREAM, UpstreamRefusedStream, "refused"),
        (ErrorCode.INTERNAL_ERROR, UpstreamDisconnected, "INTERNAL_ERROR"),
        (0x77, UpstreamDisconnected, "code 119"),
    ],
    ids=["refused", "a reason", "an unknown reason"],
)
async def test_a_reset_is_an_error_of_the_exchange(
    shared: Shared, code: int, error: type[IronProxyError], words: str
) -> None:
    exchange, asked = await shared.ask()
    shared.upstream.stream.write_nowait(frame(3, 0, asked.stream_id, code.to_bytes(4, "big")))

    with pytest.raises(UpstreamDisconnected, match=words) as caught:
        await exchange.read_head(LONG)

    assert type(caught.value) is error
    assert shared.connection.can_open_stream


async def test_a_reset_behind_a_whole_response_takes_nothing_back(shared: Shared) -> None:
    exchange, asked = await shared.upload()
    answer(shared.upstream, asked.stream_id, b"enough")
    refuse(shared.upstream, asked.stream_id, ErrorCode.NO_ERROR)
    head = await exchange.read_head(LONG)

    assert [await exchange.read_body(), await exchange.read_body()] == [b"enough", b""]
    with pytest.raises(UpstreamDisconnected):
        await exchange.send_piece(b"more")
    assert not exchange.is_reusable(head)


async def test_a_reset_in_the_middle_of_a_body_is_an_error(shared: Shared) -> None:
    exchange, asked = await shared.ask()
    answer(shared.upstream, asked.stream_id, b"half", end=False)
    refuse(shared.upstream, asked.stream_id, ErrorCode.INTERNAL_ERROR)
    await exchange.read_head(LONG)

    assert await exchange.read_body() == b"half"
    with pytest.raises(UpstreamDisconnected):
        await exchange.read_body()


@pytest.mark.parametrize("resets", [True, False], ids=["with a reset", "without one"])
async def test_an_early_answer_to_a_body_that_does_not_fit_its_window_is_heard(shared: Shared, resets: bool) -> None:
    shared.upstream.is_slow = True
    exchange = shared.connection.open_exchange()
    content = bytes(300 * 1024)
    sending = asyncio.create_task(send_whole(exchange, request("POST", content), content))
    asked = await shared.upstream.take(RequestReceived)
    await shared.upstream.take_all()
    answer(shared.upstream, asked.stream_id, b"too much", 413)
    if resets:
        refuse(shared.upstream, asked.stream_id, ErrorCode.NO_ERROR)

    await asyncio.wait_for(sending, LONG)
    head = await exchange.read_head(LONG)

    assert (head.status, await exchange.read_body(), await exchange.read_body()) == (413, b"too much", b"")
    assert not exchange.is_reusable(head)


async def test_an_upload_that_nobody_reads_ends_with_the_answer(shared: Shared) -> None:
    shared.upstream.is_slow = True
    exchange, asked = await shared.upload()
    sending = asyncio.create_task(exchange.send_piece(bytes(300 * 1024)))
    await shared.upstream.take_all()
    answer(shared.upstream, asked.stream_id, status=413)

    with pytest.raises(UpstreamDisconnected, match="before it had the whole request"):
        await asyncio.wait_for(sending, LONG)
    assert (await exchange.read_head(LONG)).status == 413


async def test_a_malformed_response_is_an_error_of_its_exchange_only(shared: Shared) -> None:
    one, asked = await shared.ask()
    two, also_asked = await shared.ask()
    shared.upstream.core.send_head(asked.stream_id, 200, [], length=2, end=False)
    shared.upstream.core.send_data(asked.stream_id, b"three", end=True)
    answer(shared.upstream, also_asked.stream_id)

    await one.read_head(LONG)
    with pytest.raises(UpstreamProtocolError):
        await one.read_body()
    assert (await two.read_head(LONG)).status == 200


async def test_an_upstream_that_breaks_the_protocol_fails_all_its_exchanges(shared: Shared) -> None:
    exchanges = [(await shared.ask())[0] for _ in range(2)]
    shared.upstream.stream.write_nowait(data(0, b"?"))

    for exchange in exchanges:
        with pytest.raises(UpstreamProtocolError, match="HTTP/2 is not valid"):
            await exchange.read_head(LONG)
    assert await shared.has_closed()


@pytest.mark.parametrize(("ending", "words"), [("close", "closed"), ("abort", "broke")])
async def test_an_upstream_that_ends_the_connection_fails_all_its_exchanges(
    shared: Shared, ending: str, words: str
) -> None:
    exchanges = [(await shared.ask())[0] for _ in range(2)]
    getattr(shared.upstream.stream, ending)()

    for exchange in exchanges:
        with pytest.raises(UpstreamDisconnected, match=words):
            await exchange.read_head(LONG)
        exchange.close()
    assert not shared.connection.can_open_stream
    assert await shared.has_closed()


async def test_an_upstream_that_does_not_answer_is_given_up(shared: Shared) -> None:
    exchange, _ = await shared.ask()
    reading = asyncio.create_task(exchange.read_head(-1.0))
    await asyncio.sleep(0)
    exchange.expire()

    with pytest.raises(UpstreamTimeout, match="did not answer"):
        await reading


@pytest.mark.parametrize("by", ["us", "the client"])
async def test_a_connection_on_which_nothing_was_heard_serves_nobody_else(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """It may be dead behind a router that forgot it: HTTP/1 would have closed it too."""
    monkeypatch.setattr(http2_client, "SILENCE_SECONDS", -1.0)
    one, _ = await shared.ask()
    two, _ = await shared.ask()
    shared.connection.heard_at -= 100.0
    if by == "us":
        reading = asyncio.create_task(one.read_head(-1.0))
        await asyncio.sleep(0)
        one.expire()
        with pytest.raises(UpstreamTimeout):
            await reading

    one.abort()

    assert not shared.connection.can_open_stream
    assert not shared.near.is_closed
    two.abort()
    assert await shared.has_closed()


async def test_a_request_that_was_given_up_soon_says_nothing_of_its_connection(shared: Shared) -> None:
    exchange, _ = await shared.ask()
    shared.connection.heard_at -= 100.0
    exchange.abort()

    assert shared.connection.can_open_stream


async def test_a_connection_on_which_others_are_answered_goes_on(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_client, "SILENCE_SECONDS", -1.0)
    exchange, _ = await shared.ask()
    reading = asyncio.create_task(exchange.read_head(-1.0))
    await asyncio.sleep(0)
    shared.connection.heard_at += 100.0
    exchange.expire()
    with pytest.raises(UpstreamTimeout):
        await reading

    assert shared.connection.can_open_stream


async def test_an_upstream_that_takes_nothing_is_given_up(shared: Shared) -> None:
    exchange, _ = await shared.upload()
    shared.near.write_nowait(bytes(300 * 1024))
    shared.connection.core.ping(b"eight by")
    shared.connection.flush()
    exchange.write_timeout = 0.0

    with pytest.raises(UpstreamTimeout, match="stopped taking"):
        await exchange.send_piece(b"more")
    assert await shared.has_closed()


async def test_a_window_that_never_opens_is_given_up(shared: Shared) -> None:
    shared.upstream.is_slow = True
    exchange, _ = await shared.upload()
    exchange.write_timeout = -1.0
    sending = asyncio.create_task(exchange.send_piece(bytes(300 * 1024)))
    await shared.upstream.take_all()
    exchange.expire()

    with pytest.raises(UpstreamTimeout, match="stopped taking"):
        await sending
