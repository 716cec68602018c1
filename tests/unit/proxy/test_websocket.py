"""An upgrade is relayed only behind a 101 that proves itself; any other answer is an ordinary one."""

from collections.abc import AsyncIterator

import pytest
from tests.fakes.served import FarEnd, Served, turns
from tests.fakes.transforms import FakeTransform

from iron_proxy.errors import UpstreamUnreachable
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict
from iron_proxy.protocols.websocket_close import GOING_AWAY, close_frame
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
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(timeouts, "WEBSOCKET_CLOSE", 0.01)
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


async def test_a_session_on_which_nobody_speaks_ends(proxy: Served) -> None:
    proxy.services.websocket_idle_timeout = 0.01
    client, upstream = await relayed(proxy)

    assert await client.receive_to_end() == close_frame(GOING_AWAY, "nothing was said for too long")
    assert (await upstream.receive_to_end())[:2] == b"\x88\x9f"        # masked: what it says is 31 bytes long
    assert await proxy.actions() == [("allow", 101)]


async def test_a_session_that_lasts_too_long_ends(proxy: Served) -> None:
    proxy.services.websocket_max_duration = 0.01
    client, _ = await relayed(proxy)

    assert await client.receive_to_end() == close_frame(GOING_AWAY, "the session has lasted too long")
    assert await proxy.actions() == [("allow", 101)]


async def test_what_comes_with_the_switch_counts_for_where_a_frame_ends(proxy: Served) -> None:
    client = proxy.open()
    client.send(UPGRADE)
    upstream = await proxy.upstream()
    await upstream.receive_until(b"\r\n\r\n")
    proxy.services.websocket_max_duration = 0.01
    upstream.send(switch() + b"\x82\x05cut")
    await client.receive_until(b"\x82\x05cut")

    assert await client.is_reset()


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


# --- other protocols ------------------------------------------------------------------------------------------------

EXEC = (
    b"POST /exec/1/start HTTP/1.1\r\nHost: ok.test\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
    b"Content-Type: application/json\r\n"
)
TCP_SWITCH = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"


def ask_for(protocol: bytes) -> FakeTransform:
    """Stands for the request checks."""

    def ask(exchange: Exchange) -> Verdict:
        exchange.request.upgrade = protocol
        return CONTINUE

    return FakeTransform("ask", ask)


@pytest.fixture
async def docker() -> AsyncIterator[Served]:
    async with Served(ask_for(b"tcp")) as proxy:
        proxy.services.upgrades = frozenset(("websocket", "tcp"))
        yield proxy


@pytest.mark.parametrize(
    ("body", "framing"),
    [
        (b'Content-Length: 14\r\n\r\n{"Tty": false}', b"Content-Length: 14\r\n"),
        (b'Transfer-Encoding: chunked\r\n\r\ne\r\n{"Tty": false}\r\n0\r\n\r\n', b"Content-Length: 14\r\n"),
        (b"\r\n", b"Content-Length: 0\r\n"),
    ],
    ids=["sized", "chunked", "none"],
)
async def test_an_upgrade_to_a_protocol_that_is_named_is_relayed(docker: Served, body: bytes, framing: bytes) -> None:
    client = docker.open()
    client.send(EXEC + body + b"stdin")
    upstream = await docker.upstream()
    head = await upstream.receive_until(b"\r\n\r\n")
    content = await upstream.receive_until(b"}") if b"{" in body else b""
    await turns()
    assert not upstream.stream.has_unread
    upstream.send(TCP_SWITCH + b"Upgrade: tcp\r\n\r\nstdout")

    received = await client.receive_until(b"stdout")
    assert head == (
        b"POST /exec/1/start HTTP/1.1\r\nHost: ok.test\r\nContent-Type: application/json\r\n"
        b"Connection: Upgrade\r\nUpgrade: tcp\r\n" + framing + b"\r\n"
    )
    assert content == (b'{"Tty": false}' if b"{" in body else b"")
    assert received == (
        b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"
        b"Upgrade: tcp\r\n\r\nstdout"
    )
    assert await upstream.receive_until(b"stdin") == b"stdin"


async def test_another_switch_than_the_one_asked_for_is_a_502(docker: Served) -> None:
    client = docker.open()
    client.send(EXEC + b"\r\nGET /smuggled HTTP/1.1\r\n\r\n")
    upstream = await docker.upstream()
    await upstream.receive_until(b"\r\n\r\n")
    upstream.send(TCP_SWITCH + b"Upgrade: h2c\r\n\r\n")

    assert (await client.receive_until(b"bad gateway\n")).startswith(b"HTTP/1.1 502 ")
    assert not upstream.stream.has_unread


async def test_a_session_of_another_protocol_is_cut_at_its_end(docker: Served) -> None:
    docker.services.websocket_idle_timeout = 0.01
    client = docker.open()
    client.send(EXEC + b"\r\n")
    upstream = await docker.upstream()
    upstream.send(TCP_SWITCH + b"Upgrade: tcp\r\n\r\n")
    await client.receive_until(b"\r\n\r\n")

    assert await client.is_reset()
    assert await upstream.is_reset()


@pytest.mark.parametrize("protocol", [b"tcp", b"websocket, tcp", b"h3", b"\xff"])
async def test_a_protocol_that_is_not_named_is_refused_and_not_dialled(protocol: bytes) -> None:
    async with Served(ask_for(protocol)) as proxy:
        client = proxy.open()
        client.send(EXEC + b"\r\n")
        await client.stream.write_end()

        assert (await client.receive_to_end()).startswith(b"HTTP/1.1 501 ")
        assert proxy.dialer.permits == []
        [record] = await proxy.records()
        assert record["reason"] == "an upgrade to this protocol is not allowed (proxy.upgrades)"


async def test_a_websocket_may_be_forbidden_too(proxy: Served) -> None:
    proxy.services.upgrades = frozenset()
    client = proxy.open()
    client.send(UPGRADE)
    await client.stream.write_end()

    assert (await client.receive_to_end()).startswith(b"HTTP/1.1 501 ")


async def test_an_upgrade_in_http_1_0_is_refused(docker: Served) -> None:
    client = docker.open()
    client.send(EXEC.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n")
    await client.stream.write_end()

    assert (await client.receive_to_end()).startswith(b"HTTP/1.1 400 ")


async def test_the_body_of_an_upgrade_is_bounded(docker: Served) -> None:
    client = docker.open()
    client.send(EXEC + b"Content-Length: 70000\r\n\r\n" + b"x" * 70_000)
    await client.stream.write_end()

    assert (await client.receive_to_end()).startswith(b"HTTP/1.1 413 ")
    assert docker.dialer.permits == []


@pytest.mark.parametrize("records_sessions", [True, False])
async def test_the_record_tells_what_was_relayed_and_where_it_is_wanted_that_it_has_begun(
    proxy: Served, records_sessions: bool
) -> None:
    proxy.services.records_sessions = records_sessions
    client, upstream = await relayed(proxy)
    opened = [(record["phase"], record["status_code"]) for record in await proxy.records()]
    assert opened == ([("open", 101)] if records_sessions else [])

    client.send(b"four")
    await upstream.receive_until(b"four")
    upstream.send(b"sixsix")
    await client.receive_until(b"sixsix")
    await client.stream.write_end()
    await upstream.stream.write_end()
    await client.served()

    *_, closing = records = await proxy.records()
    assert (closing["bytes_from_client"], closing["bytes_from_upstream"], closing["status_code"]) == (4, 6, 101)
    assert closing.get("phase") == ("close" if records_sessions else None)
    assert len({record["request_id"] for record in records}) == 1
