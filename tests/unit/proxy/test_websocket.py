"""An upgrade is relayed only behind a 101 that proves itself; any other answer is an ordinary one."""

from collections.abc import AsyncIterator

import pytest
from tests.fakes.served import FarEnd, Served, turns
from tests.fakes.transforms import FakeTransform

from iron_proxy.errors import UpstreamUnreachable
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.protocols.websocket_handshake import expected_accept
from iron_proxy.proxy import timeouts

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: ok.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)


def switch(accept: bytes = expected_accept(KEY)) -> bytes:
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


@pytest.fixture
async def proxy() -> AsyncIterator[Served]:
    async with Served() as proxy:
        yield proxy


async def relayed(proxy: Served) -> tuple[FarEnd, FarEnd]:
    """The two ends of a WebSocket that is open."""
    client = proxy.open()
    client.send(UPGRADE)
    upstream = await proxy.upstream()
    await upstream.receive_until(b"\r\n\r\n")
    upstream.send(switch())
    await client.receive_until(b"\r\n\r\n")
    return client, upstream


async def test_the_upgrade_is_written_anew_for_the_upstream(proxy: Served) -> None:
    client = proxy.open()
    client.send(UPGRADE)

    received = await (await proxy.upstream()).receive_until(b"\r\n\r\n")

    assert received == (
        b"GET /chat HTTP/1.1\r\nHost: ok.test\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )


async def test_bytes_that_came_early_on_either_side_are_relayed(proxy: Served) -> None:
    client = proxy.open()
    client.send(UPGRADE + b"early frame")
    upstream = await proxy.upstream()
    await upstream.receive_until(b"\r\n\r\n")
    await turns()
    assert not upstream.stream.has_unread
    upstream.send(switch() + b"greeting")

    assert (await client.receive_until(b"greeting")).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert await upstream.receive_until(b"early frame") == b"early frame"


async def test_frames_go_both_ways_and_the_session_is_one_record(proxy: Served) -> None:
    client, upstream = await relayed(proxy)
    client.send(b"ping")
    await upstream.receive_until(b"ping")
    upstream.send(b"pong")
    await client.receive_until(b"pong")
    assert await proxy.records() == []

    await client.stream.write_end()
    await upstream.stream.write_end()
    await client.served()

    [record] = await proxy.records()
    assert (record["action"], record["status_code"], record["path"]) == ("allow", 101, "/chat")


async def test_a_half_close_is_passed_on_and_the_other_direction_goes_on(
    proxy: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "HALF_CLOSE_GRACE", 0.0)
    client, upstream = await relayed(proxy)

    await client.stream.write_end()
    assert await upstream.receive_to_end() == b""
    upstream.send(b"last words")
    await upstream.stream.write_end()

    assert await client.receive_to_end() == b"last words"
    assert await proxy.actions() == [("allow", 101)]


@pytest.mark.parametrize("leaver", ["client", "upstream"])
async def test_when_one_side_breaks_the_other_is_broken_too(proxy: Served, leaver: str) -> None:
    client, upstream = await relayed(proxy)
    gone, left = (client, upstream) if leaver == "client" else (upstream, client)

    gone.stream.abort()

    assert await left.is_reset()
    await client.served()
    assert await proxy.actions() == [("allow", 101)]


async def test_a_session_on_which_nobody_speaks_ends(proxy: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "RELAY_IDLE", 0.01)
    client, upstream = await relayed(proxy)

    assert await client.is_reset()
    assert await upstream.is_reset()
    assert await proxy.actions() == [("allow", 101)]


@pytest.mark.parametrize(
    "answer",
    [
        switch(b"d3Jvbmc="),
        switch().replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        switch().replace(b"Connection: Upgrade\r\n", b""),
        switch()[:-2] + b"Sec-WebSocket-Protocol: unasked\r\n\r\n",
    ],
    ids=["wrong accept", "another protocol", "no Connection", "sub-protocol"],
)
async def test_a_switch_that_proves_nothing_is_a_502_and_no_byte_is_relayed(proxy: Served, answer: bytes) -> None:
    client = proxy.open()
    client.send(UPGRADE + b"GET /smuggled HTTP/1.1\r\n\r\n")
    upstream = await proxy.upstream()
    await upstream.receive_until(b"\r\n\r\n")
    upstream.send(answer + b"raw")

    received = await client.receive_until(b"bad gateway\n")

    assert received.startswith(b"HTTP/1.1 502 ")
    assert b"raw" not in received
    assert not upstream.stream.has_unread
    assert await proxy.actions() == [("error", 502)]


async def test_another_answer_is_passed_on_and_the_connection_ends(proxy: Served) -> None:
    client = proxy.open()
    client.send(UPGRADE)
    upstream = await proxy.upstream()
    upstream.send(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 3\r\n\r\nno!")

    received = await client.receive_to_end()

    assert received.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert received.endswith(b"Connection: close\r\n\r\nno!")
    assert await proxy.actions() == [("allow", 426)]


async def test_informational_answers_before_the_switch_are_passed_on(proxy: Served) -> None:
    client = proxy.open()
    client.send(UPGRADE)
    (await proxy.upstream()).send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + switch())

    assert await client.receive_until(b"\r\n\r\n") == b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert (await client.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    "wire",
    [
        UPGRADE.replace(b"GET", b"POST"),
        UPGRADE.replace(b"Version: 13", b"Version: 8"),
        UPGRADE.replace(KEY, b"short"),
    ],
    ids=["POST", "version", "key"],
)
async def test_a_malformed_upgrade_is_refused_without_dialling(proxy: Served, wire: bytes) -> None:
    client = proxy.open()
    client.send(wire)
    await client.stream.write_end()

    assert (await client.receive_to_end()).startswith(b"HTTP/1.1 400 ")

    assert proxy.dialer.permits == []
    assert await proxy.actions() == [("reject", 400)]


async def test_an_upgrade_that_policy_refuses_is_not_dialled() -> None:
    async with Served(FakeTransform("rule", lambda exchange: Reject("no"))) as proxy:
        client = proxy.open()
        client.send(UPGRADE)

        assert (await client.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 403 ")
        assert proxy.dialer.permits == []


async def test_an_upgrade_never_goes_on_an_idle_connection(proxy: Served) -> None:
    idle = await proxy.idle_upstream()
    client = proxy.open()
    client.send(UPGRADE)

    await (await proxy.upstream(1)).receive_until(b"\r\n\r\n")

    assert not idle.stream.has_unread


async def test_an_upstream_that_cannot_be_reached_is_a_502(proxy: Served) -> None:
    proxy.answers(UpstreamUnreachable("no"))
    client = proxy.open()
    client.send(UPGRADE)

    assert (await client.receive_until(b"bad gateway\n")).startswith(b"HTTP/1.1 502 ")


async def test_a_client_that_leaves_before_the_switch_is_one_record(proxy: Served) -> None:
    client = proxy.open()
    client.send(UPGRADE)
    upstream = await proxy.upstream()
    await upstream.receive_until(b"\r\n\r\n")

    client.stream.abort()
    await client.served()

    assert await upstream.stream.read(1.0) == b""
    assert await proxy.actions() == [("client_cancel", 200)]
