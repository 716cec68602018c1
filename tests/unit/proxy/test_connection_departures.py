"""Every way in which a client may leave, a stop may come, or a deadline may pass: one record, or none."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.served import GET, LONG, OK, FarEnd, Served, turns
from tests.fakes.transforms import FakeTransform

from iron_proxy.pipeline.verdict import Reject
from iron_proxy.proxy import timeouts


@pytest.fixture
async def proxy() -> AsyncIterator[Served]:
    async with Served() as proxy:
        yield proxy


def request(path: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nHost: ok.test\r\n\r\n"


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def waiting_exchange(proxy: Served) -> tuple[FarEnd, FarEnd]:
    """A client and the upstream that has its request and says nothing."""
    client = proxy.open()
    client.send(GET)
    upstream = await proxy.upstream()
    await upstream.receive_until(b"\r\n\r\n")
    return client, upstream


# --- a client that leaves -------------------------------------------------------------------------------------------


async def test_a_reset_while_the_upstream_thinks_is_one_record_and_ends_the_upstream(proxy: Served) -> None:
    client, upstream = await waiting_exchange(proxy)

    client.stream.abort()
    await client.served()

    assert await proxy.actions() == [("client_cancel", 200)]
    assert await upstream.is_reset()


async def test_a_half_closed_client_gets_an_answer_that_comes_soon(proxy: Served) -> None:
    client, upstream = await waiting_exchange(proxy)
    await client.stream.write_end()
    await turns()

    upstream.send(OK)

    assert (await client.receive_to_end()).endswith(b"\r\n\r\nok")
    assert await proxy.actions() == [("allow", 200)]


async def test_a_client_that_has_ended_before_its_request_is_begun_gets_its_answer(proxy: Served) -> None:
    proxy.answers(OK)
    client = proxy.open()
    client.send(GET)
    await client.stream.write_end()

    assert (await client.receive_to_end()).endswith(b"\r\n\r\nok")
    assert await proxy.actions() == [("allow", 200)]


async def test_a_half_closed_client_is_given_up_after_the_grace(proxy: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "HALF_CLOSE_GRACE", 0.01)
    client, upstream = await waiting_exchange(proxy)

    await client.stream.write_end()
    await client.served()

    assert await proxy.actions() == [("client_cancel", 200)]
    assert await upstream.is_reset()


async def test_a_half_close_in_one_exchange_does_not_count_against_a_later_one(
    proxy: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests, then a FIN: the grace that began in the first must not cut the second without any."""
    monkeypatch.setattr(timeouts, "HALF_CLOSE_GRACE", LONG)
    client = proxy.open()
    client.send(request(b"/one") + request(b"/two"))
    await client.stream.write_end()
    upstream = await proxy.upstream()
    for path in (b"/one", b"/two"):
        assert path in await upstream.receive_until(b"\r\n\r\n")
        upstream.send(answer(path))

    assert (await client.receive_to_end()).endswith(b"/two")
    assert [record["action"] for record in await proxy.records()] == ["allow", "allow"]


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_one_record(proxy: Served) -> None:
    client = proxy.open()
    client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 9\r\n\r\nhalf")
    upstream = await proxy.upstream()
    await upstream.receive_until(b"half")

    client.stream.abort()
    await client.served()

    assert await proxy.actions() == [("client_cancel", 200)]
    assert await upstream.is_reset()


async def test_a_client_that_leaves_in_the_middle_of_the_answer_is_one_record(proxy: Served) -> None:
    client, upstream = await waiting_exchange(proxy)
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await client.receive_until(b"half")

    client.stream.abort()
    await client.served()

    assert await proxy.actions() == [("client_cancel", 200)]
    assert await upstream.is_reset()


async def test_a_client_that_closes_in_the_middle_of_a_head_is_one_record(proxy: Served) -> None:
    client = proxy.open()
    client.send(b"GET / HTTP/1.1\r\nHo")
    await turns()
    client.stream.abort()

    await client.served()

    assert [record["action"] for record in await proxy.records()] == ["client_cancel"]


async def test_a_client_that_says_nothing_leaves_no_record(proxy: Served) -> None:
    proxy.limit(first_byte=0.01)
    client = proxy.open()

    assert await client.receive_to_end() == b""

    assert (await proxy.records()) == []


async def test_an_idle_connection_is_closed_without_a_record(proxy: Served) -> None:
    proxy.limit(idle=0.01)
    proxy.answers(OK)
    client = proxy.open()
    client.send(GET)
    await client.receive_until(b"ok")

    assert await client.receive_to_end() == b""

    assert await proxy.actions() == [("allow", 200)]


async def test_a_head_that_does_not_come_to_its_end_is_timed_out(
    proxy: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.limit(request_head=0.01)
    monkeypatch.setattr(timeouts, "LINGER", 0.01)
    client = proxy.open()
    client.send(b"GET / HTTP/1.1\r\n")

    assert (await client.receive_to_end()).startswith(b"HTTP/1.1 408 ")

    assert await proxy.actions() == [("reject", 408)]


async def test_a_body_that_does_not_come_is_timed_out(proxy: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy.limit(request_body_idle=0.01)
    monkeypatch.setattr(timeouts, "LINGER", 0.01)
    client = proxy.open()
    client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 9\r\n\r\nhalf")

    assert (await client.receive_to_end()).startswith(b"HTTP/1.1 408 ")

    assert await proxy.actions() == [("reject", 408)]
    assert await proxy.upstreams[0].is_reset()


async def test_a_client_that_reads_nothing_is_given_up(proxy: Served) -> None:
    proxy.limit(write=0.01)
    client, upstream = await waiting_exchange(proxy)
    upstream.send(answer(b"x" * 600_000))

    await client.served()

    assert len(await proxy.records()) == 1
    assert (await proxy.records())[0]["action"] == "reject"
    assert await client.is_reset()


# --- draining -------------------------------------------------------------------------------------------------------


async def test_a_stop_closes_a_connection_between_two_requests(proxy: Served) -> None:
    proxy.answers(OK)
    client = proxy.open()
    client.send(GET)
    await client.receive_until(b"ok")
    await turns()

    proxy.services.draining = True
    for connection in tuple(proxy.services.connections):
        connection.close_if_idle()
    await client.served()

    assert proxy.services.connections == set()
    assert await proxy.actions() == [("allow", 200)]


async def test_a_stop_lets_a_running_exchange_end_and_then_closes(proxy: Served) -> None:
    client, upstream = await waiting_exchange(proxy)
    proxy.services.draining = True
    for connection in tuple(proxy.services.connections):
        connection.close_if_idle()

    upstream.send(OK)
    received = await client.receive_to_end()

    assert received.endswith(b"\r\n\r\nok")
    assert await proxy.actions() == [("allow", 200)]


async def test_while_draining_no_new_request_is_served(proxy: Served) -> None:
    proxy.services.draining = True
    client = proxy.open()
    client.send(GET)

    assert await client.receive_to_end() == b""

    assert (await proxy.records()) == []


async def test_a_request_that_a_stop_cuts_leaves_one_record(proxy: Served) -> None:
    client, upstream = await waiting_exchange(proxy)

    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.served()

    assert await proxy.actions() == [("error", 503)]
    assert await upstream.is_reset()


# --- lingering ------------------------------------------------------------------------------------------------------


def refusing() -> Served:
    return Served(FakeTransform("rule", lambda exchange: Reject("no")))


async def test_a_body_that_nobody_read_is_taken_before_the_connection_closes() -> None:
    async with refusing() as proxy:
        client = proxy.open()
        client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 300000\r\n\r\n")
        received = await client.receive_until(b"\r\n\r\n")
        for _ in range(3):
            client.send(b"x" * 50_000)
            await turns()
        assert not client.stream.has_unread

        await client.stream.write_end()
        await client.served()

        assert received.startswith(b"HTTP/1.1 403 ")
        assert b"\r\nConnection: close\r\n" in received
        assert await proxy.actions() == [("reject", 403)]


async def test_what_lies_behind_an_unread_body_is_not_served() -> None:
    async with refusing() as proxy:
        client = proxy.open()
        client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 9\r\n\r\n" + GET)
        await client.stream.write_end()

        received = await client.receive_to_end()

        assert received.count(b"HTTP/1.1 ") == 1
        assert len(await proxy.records()) == 1


async def test_lingering_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "LINGER", 0.01)
    async with refusing() as proxy:
        client = proxy.open()
        client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 9\r\n\r\n")

        await client.served()


async def test_lingering_ends_after_enough_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "LINGER", LONG)
    monkeypatch.setattr(timeouts, "LINGER_BYTES", 10)
    async with refusing() as proxy:
        client = proxy.open()
        client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 99\r\n\r\n")
        await turns()
        assert not client.is_served
        client.send(b"x" * 11)

        await client.served()


async def test_lingering_ends_with_the_connection() -> None:
    async with refusing() as proxy:
        client = proxy.open()
        client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 9\r\n\r\n")
        await turns()
        client.stream.abort()

        await client.served()


async def test_malformed_bytes_are_answered_before_the_rest_of_them_is_taken(proxy: Served) -> None:
    client = proxy.open()
    client.send(b"nonsense\r\n\r\n")
    await client.receive_until(b"\r\n\r\n")
    assert client.stream.has_ended
    client.send(b"more nonsense")
    await client.stream.write_end()

    await client.served()
