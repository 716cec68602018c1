"""A client's connection over HTTP/2: what ends one stream, what ends all of them, and what is written down of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.http2_frames import data
from tests.fakes.http2_in_memory import ask
from tests.fakes.log_lines import LogLines
from tests.fakes.served import OK, turns
from tests.unit.proxy.http2_served import Http2Caller, Http2Served

from iron_proxy.errors import ClientTimeout
from iron_proxy.protocols.http2.events import PeerGoingAway, StreamReset
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.proxy import http2_connection, http2_request


@pytest.fixture
async def proxy() -> AsyncIterator[Http2Served]:
    async with Http2Served() as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Http2Served) -> Http2Caller:
    return await proxy.call().greeted()


async def events(proxy: Http2Served) -> list[tuple[str, str]]:
    return [(record["event"], record["reason"]) for record in await proxy.records() if "event" in record]


async def outcomes(proxy: Http2Served) -> list[tuple[str, int]]:
    return [(record["action"], record["status_code"]) for record in await proxy.records() if "event" not in record]


# --- streams --------------------------------------------------------------------------------------------------------


async def test_requests_are_served_beside_each_other(proxy: Http2Served, client: Http2Caller) -> None:
    slow, fast = ask(client, b"/slow"), ask(client, b"/fast")
    upstreams = [await proxy.http1_upstream(position) for position in range(2)]
    heads = [await each.receive_until(b"\r\n\r\n") for each in upstreams]
    quick = next(number for number, head in enumerate(heads) if b"GET /fast " in head)
    upstreams[quick].send(OK)

    assert await client.answer_to(fast) == (200, b"ok")
    upstreams[1 - quick].send(OK)
    assert await client.answer_to(slow) == (200, b"ok")
    assert [record["path"] for record in await proxy.records()] == ["/fast", "/slow"]


async def test_a_stream_that_is_done_leaves_nothing_behind(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = ask(client)
    (await proxy.http1_upstream()).send(OK)
    await client.answer_to(stream_id)
    await turns()

    assert client.connection.streams == {}
    assert client.connection.core.open_streams == 0


async def test_a_malformed_request_is_refused_alone(proxy: Http2Served, client: Http2Caller) -> None:
    good, malformed = ask(client), ask(client, b"no slash")

    assert (await client.answer_to(malformed))[0] == 400
    (await proxy.http1_upstream()).send(OK)
    assert await client.answer_to(good) == (200, b"ok")
    assert await outcomes(proxy) == [("reject", 400), ("allow", 200)]


async def test_a_malformed_request_whose_body_never_ends_takes_no_room(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = ask(client, b"no slash", method="POST", end=False)

    assert (await client.answer_to(stream_id))[0] == 400
    assert (await client.take(StreamReset)).code == ErrorCode.NO_ERROR
    assert client.connection.core.open_streams == 0


async def test_a_bug_ends_its_own_stream_only(
    client: Http2Caller, process_log: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(http2_request, "handle", break_down)
    one, two = ask(client), ask(client)

    assert [(await client.take(StreamReset, each)).code for each in (one, two)] == [ErrorCode.INTERNAL_ERROR] * 2
    assert not client.serving.done()
    assert "KeyError" in str(process_log.written)
    assert "a secret" not in str(process_log.written)


# --- resets ---------------------------------------------------------------------------------------------------------


async def test_a_request_that_is_reset_is_given_up(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = ask(client)
    upstream = await proxy.http1_upstream()
    await upstream.receive_until(b"\r\n\r\n")
    client.core.reset(stream_id)
    client.flush()

    assert await upstream.is_reset()
    [record] = await proxy.records()
    assert (record["action"], record["path"]) == ("client_cancel", "/")
    assert client.connection.streams == {}


async def test_a_request_that_is_reset_at_once_leaves_its_record_and_goes_nowhere(
    proxy: Http2Served, client: Http2Caller
) -> None:
    stream_id = client.core.send_head("GET", "https", b"ok.test", b"/gone", [], end=True)
    client.core.reset(stream_id)
    client.flush()
    await turns()

    [record] = await proxy.records()
    assert (record["path"], record["host"]) == ("/gone", "ok.test")
    assert proxy.origin.permits == []


async def test_a_malformed_request_that_is_reset_at_once_was_malformed(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = client.core.send_head("GET", "https", b"ok.test", b"no slash", [], end=True)
    client.core.reset(stream_id)
    client.flush()

    assert await proxy.actions() == [("reject", 400)]


@pytest.mark.parametrize(
    ("more", "code"), [(b"", ErrorCode.ENHANCE_YOUR_CALM), (data(0, b"?"), ErrorCode.PROTOCOL_ERROR)],
    ids=["and does nothing else", "and breaks the protocol in the same breath"],
)  # fmt: skip
async def test_a_client_that_resets_faster_than_exchanges_end_is_cut_off(
    proxy: Http2Served, client: Http2Caller, monkeypatch: pytest.MonkeyPatch, more: bytes, code: ErrorCode
) -> None:  # CVE-2023-44487
    monkeypatch.setattr(http2_connection, "EXCHANGES_PER_STREAM", 0.03)
    for _ in range(5):
        client.core.reset(client.core.send_head("GET", "https", b"ok.test", b"/", [], end=True))
    client.stream.write_nowait(client.core.take_outgoing() + more)

    goodbye = await client.take(PeerGoingAway)
    await client.served()

    assert (goodbye.code, goodbye.last_stream_id) == (code, 9)
    assert len(await events(proxy)) == 1
    assert len(await outcomes(proxy)) == 5
    assert proxy.origin.permits == []


async def test_exchanges_that_are_winding_down_count(
    proxy: Http2Served, client: Http2Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_connection, "EXCHANGES_PER_STREAM", 0.01)
    ask(client)
    await proxy.http1_upstream()
    ask(client)

    await client.served()

    assert await events(proxy) == [("connection", "the client resets streams faster than they can be ended")]
    assert len(await outcomes(proxy)) == 2
    assert len(proxy.origin.permits) == 1


# --- the client's end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_a_client_that_leaves_ends_everything_that_it_began(
    proxy: Http2Served, client: Http2Caller, ending: str
) -> None:
    for _ in range(2):
        ask(client)
    upstreams = [await proxy.http1_upstream(position) for position in range(2)]
    getattr(client.stream, ending)()

    await client.served()

    assert [await upstream.is_reset() for upstream in upstreams] == [True, True]
    assert len(await outcomes(proxy)) == 2
    assert proxy.services.connections == set()


async def test_a_client_that_breaks_the_protocol_is_told_and_written_down(
    proxy: Http2Served, client: Http2Caller
) -> None:
    ask(client)
    await proxy.http1_upstream()
    client.stream.write_nowait(data(0, b"?"))

    assert (await client.take(PeerGoingAway)).code == ErrorCode.PROTOCOL_ERROR
    await client.served()
    assert len(await events(proxy)) == 1
    assert len(await outcomes(proxy)) == 1


async def test_a_client_that_says_nothing_is_let_go(proxy: Http2Served) -> None:
    proxy.limit(first_byte=0.0)
    client = proxy.call(greets=False)

    await client.served()

    assert client.stream.has_ended
    assert await proxy.records() == []


async def test_a_client_that_is_idle_for_long_hears_goodbye(proxy: Http2Served) -> None:
    proxy.limit(idle=0.001)
    client = proxy.call()

    assert (await client.take(PeerGoingAway)).code == ErrorCode.NO_ERROR
    await client.served()


async def test_a_client_that_waits_for_an_answer_is_not_idle(proxy: Http2Served) -> None:
    proxy.limit(idle=0.001)
    client = proxy.call()
    stream_id = ask(client)
    upstream = await proxy.http1_upstream()
    await asyncio.sleep(0.005)
    upstream.send(OK)

    assert await client.answer_to(stream_id) == (200, b"ok")


async def test_a_client_that_goes_away_gets_what_it_asked_for(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = ask(client)
    client.core.go_away()
    client.flush()
    (await proxy.http1_upstream()).send(OK)

    assert await client.answer_to(stream_id) == (200, b"ok")


async def test_a_client_that_takes_nothing_is_given_up(proxy: Http2Served, client: Http2Caller) -> None:
    client.connection.stream.write_nowait(bytes(300 * 1024))
    client.connection.core.ping(b"eight by")
    client.connection.flush()

    with pytest.raises(ClientTimeout, match="stopped reading"):
        await client.connection.drain(0.0)
    await client.served()


# --- stopping -------------------------------------------------------------------------------------------------------


async def test_a_stop_closes_an_idle_connection(proxy: Http2Served, client: Http2Caller) -> None:
    client.connection.close_if_idle()

    assert (await client.take(PeerGoingAway)).code == ErrorCode.NO_ERROR
    await client.served()


async def test_a_stop_lets_open_streams_finish_and_begins_none(proxy: Http2Served, client: Http2Caller) -> None:
    stream_id = ask(client)
    upstream = await proxy.http1_upstream()
    client.connection.close_if_idle()
    late = ask(client)

    assert (await client.take(StreamReset, late)).code == ErrorCode.REFUSED_STREAM
    upstream.send(OK)
    assert await client.answer_to(stream_id) == (200, b"ok")
    await client.served()
    assert await proxy.actions() == [("allow", 200)]


async def test_a_connection_that_comes_during_a_stop_is_closed(proxy: Http2Served) -> None:
    proxy.services.draining = True
    client = proxy.call()

    await client.served()

    assert client.stream.has_ended


async def test_a_stop_that_waits_no_longer_cuts_answers_so_that_it_shows(
    proxy: Http2Served, client: Http2Caller
) -> None:
    ask(client)
    await proxy.http1_upstream()
    client.serving.cancel()
    await turns()

    assert client.serving.cancelled()
    [record] = await proxy.records()
    assert (record["status_code"], record["error"]) == (503, "the proxy is shutting down")
    assert client.stream._broken
