"""The record of a request: its facts, its two records where there are two, and strict mode's order of things."""

import asyncio
from typing import Any

import pytest
from tests.fakes.served import GET, OK, Served, turns
from tests.fakes.strictly_served import StrictlyServed
from tests.fakes.transforms import FakeAllowlist, FakeTransform

from iron_proxy.audit import outlet as outlet_module
from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.audit.trail import Branch, Trail
from iron_proxy.errors import SecretUnavailable, UpstreamUnreachable
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict
from iron_proxy.proxy.connect_tunnel import ConnectHandler
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.tunnel_policy import end_tunnel

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that cannot be written is given up at once."""
    monkeypatch.setattr(outlet_module, "STALL_SECONDS", 0.0)


def phases(records: list[dict[str, Any]]) -> list[tuple[Any, str, int]]:
    return [(record.get("phase"), record["action"], record["status_code"]) for record in records]


# --- the facts ------------------------------------------------------------------------------------------------------


async def test_the_record_tells_the_rule_the_upstream_and_the_bytes() -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        proxy.answers(OK)
        client = proxy.open()
        client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 5\r\n\r\nhello")
        await client.receive_until(b"ok")

        [record] = await proxy.records()

    assert (record["bytes_from_client"], record["bytes_from_upstream"]) == (5, 2)
    assert record["rule"] == "domains: ok.test"
    assert record["generation"] == 1
    assert "address" in record["upstream"]
    assert "tls" not in record["upstream"]
    assert "phase" not in record


async def test_bytes_that_stream_are_counted_as_they_pass() -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        client = proxy.open()
        client.send(b"POST / HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        upstream = await proxy.upstream()
        await upstream.receive_until(b"abc\r\n")
        client.send(b"4\r\ndefg\r\n0\r\n\r\n")
        await upstream.receive_until(b"0\r\n\r\n")
        upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n")
        await client.receive_until(b"0\r\n\r\n")

        [record] = await proxy.records()

    assert (record["bytes_from_client"], record["bytes_from_upstream"]) == (7, 6)


async def test_what_was_not_forwarded_has_neither_upstream_nor_bytes() -> None:
    async with Served(FakeAllowlist("other.test")) as proxy:
        client = proxy.open()
        client.send(GET)
        await client.receive_until(b"\r\n\r\n")

        [record] = await proxy.records()

    assert not {"upstream", "bytes_from_client", "rule"} & record.keys()


async def test_a_secret_that_was_sent_makes_the_record_name_who_got_it() -> None:
    def swap(exchange: Exchange) -> Verdict:
        exchange.annotate("swapped", [{"secret": "KEY", "locations": ["header:Authorization"]}])
        return CONTINUE

    async with Served(FakeTransform("secrets", swap)) as proxy:
        idle = await proxy.idle_upstream()
        [[connection]] = proxy.services.pool._idle.values()
        connection.facts._identity = {"address": "a", "tls": "TLSv1.3"}
        client = proxy.open()
        client.send(GET)
        await idle.receive_until(b"\r\n\r\n")
        idle.send(OK)
        await client.receive_until(b"ok")

        [record] = await proxy.records()

    assert record["upstream"] == {"address": "a", "tls": "TLSv1.3"}


async def test_ids_are_different_and_go_up() -> None:
    async with Served(FakeAllowlist("other.test")) as proxy:
        for _ in range(3):
            client = proxy.open()
            client.send(GET)
            await client.receive_until(b"\r\n\r\n")

        ids = [record["request_id"].rpartition("-") for record in await proxy.records()]

    assert len({prefix for prefix, _, _ in ids}) == 1
    numbers = [int(number) for _, _, number in ids]
    assert numbers == sorted(set(numbers))


# --- sessions -------------------------------------------------------------------------------------------------------


async def test_an_event_stream_leaves_a_record_when_it_begins_and_one_when_it_ends() -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        proxy.services.records_sessions = True
        proxy.answers(SSE)
        client = proxy.open()
        client.send(GET)
        upstream = await proxy.upstream()
        await client.receive_until(b"\r\n\r\n")
        assert phases(await proxy.records()) == [("open", "allow", 200)]

        upstream.send(b"5\r\nhello\r\n0\r\n\r\n")
        await client.receive_until(b"0\r\n\r\n")
        opening, closing = await proxy.records()

    assert phases([closing]) == [("close", "allow", 200)]
    assert opening["request_id"] == closing["request_id"]
    assert (opening["bytes_from_upstream"], closing["bytes_from_upstream"]) == (0, 5)


@pytest.mark.parametrize("records_sessions", [True, False])
async def test_anything_else_leaves_one(records_sessions: bool) -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        proxy.services.records_sessions = records_sessions
        proxy.answers(OK if records_sessions else SSE + b"0\r\n\r\n")
        client = proxy.open()
        client.send(GET)
        await client.receive_until(b"ok" if records_sessions else b"0\r\n\r\n")

        assert phases(await proxy.records()) == [(None, "allow", 200)]


async def test_a_tunnel_leaves_two_where_sessions_do() -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        proxy.services.records_sessions = True
        serving = await opened_tunnel(proxy)
        assert phases(await proxy.records()) == [("open", "allow", 200)]

        end_tunnel(serving)
        end_tunnel(serving)
        opening, closing = await proxy.records()

    assert phases([closing]) == [("close", "allow", 200)]
    assert opening["request_id"] == closing["request_id"]
    assert closing["duration_ms"] >= opening["duration_ms"]


async def opened_tunnel(proxy: Served) -> ClientConnection:
    serving: list[ClientConnection] = []

    async def serve(stream: Any) -> None:
        connection = proxy.connection(stream)
        serving.append(connection)
        await connection.serve(ConnectHandler())

    client = proxy.run(serve)
    client.send(b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test:443\r\n\r\n")
    await client.receive_until(b"\r\n\r\n")
    await client.served()
    return serving[0]


# --- strict ---------------------------------------------------------------------------------------------------------


async def test_strict_a_request_is_recorded_before_anything_is_dialled() -> None:
    async with StrictlyServed(FakeAllowlist("ok.test")) as proxy:
        proxy.destination.room = 0
        proxy.answers(OK)
        client = proxy.open()
        client.send(GET)
        await turns()
        assert proxy.dialer.permits == []

        proxy.destination.room = None
        assert await client.receive_until(b"ok")
        opening, closing = await proxy.records()

    assert phases([opening, closing]) == [("open", "allow", 0), ("close", "allow", 200)]
    assert opening["request_id"] == closing["request_id"]
    assert [trace["name"] for trace in opening["request_transforms"]] == ["allowlist"]


@pytest.mark.parametrize(
    ("transform", "raw", "status"),
    [
        (FakeTransform("rule", lambda exchange: Reject("no")), GET, 403),
        (FakeAllowlist("ok.test"), b"GET / HTTP/1.1\r\n\r\n", 400),
        (FakeAllowlist("ok.test"), b"nonsense\r\n\r\n", 400),
    ],
    ids=["refused by policy", "no host", "nonsense"],
)
async def test_strict_a_refusal_is_told_when_its_record_is_written(transform: Any, raw: bytes, status: int) -> None:
    async with StrictlyServed(transform) as proxy:
        proxy.destination.room = 0
        client = proxy.open()
        client.send(raw)
        await turns()
        assert not client.stream.has_unread

        proxy.destination.room = None
        assert b" %d " % status in await client.receive_until(b"\r\n\r\n")
        assert phases(await proxy.records()) == [(None, "reject", status)]


async def test_strict_a_failure_is_told_when_its_record_is_written() -> None:
    def fail(exchange: Exchange) -> Verdict:
        raise SecretUnavailable("KEY is not there")

    async with StrictlyServed(FakeTransform("rule", fail)) as proxy:
        client = proxy.open()
        client.send(GET)

        assert b" 502 " in await client.receive_until(b"\r\n\r\n")
        assert phases(await proxy.records()) == [(None, "error", 502)]


async def test_strict_an_upstream_that_cannot_be_reached_closes_what_was_opened() -> None:
    async with StrictlyServed(FakeAllowlist("ok.test")) as proxy:
        proxy.answers(UpstreamUnreachable("dial tcp: refused"))
        client = proxy.open()
        client.send(GET)

        assert b" 502 " in await client.receive_until(b"\r\n\r\n")
        assert phases(await proxy.records()) == [("open", "allow", 0), ("close", "error", 502)]


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("raw", [GET, b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n"])
async def test_strict_nothing_happens_while_the_log_cannot_be_written(raw: bytes) -> None:
    async with StrictlyServed(FakeAllowlist("ok.test")) as proxy:
        proxy.destination.is_full = True
        for _ in range(2):
            client = proxy.open()
            client.send(raw)
            assert b" 503 " in await client.receive_until(b"\r\n\r\n")

        assert proxy.dialer.permits == []
        assert proxy.services.audit.condition.refused == 2
        proxy.destination.is_full = False


@pytest.mark.usefixtures("_impatient")
async def test_strict_no_tunnel_opens_while_the_log_cannot_be_written() -> None:
    async with StrictlyServed(FakeAllowlist("ok.test")) as proxy:
        proxy.destination.is_full = True
        for authority in (b"ok.test:443", b"ok.test"):
            client = proxy.open(ConnectHandler())
            client.send(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (authority, authority))
            assert b" 503 " in await client.receive_until(b"\r\n\r\n")
        proxy.destination.is_full = False


async def test_strict_a_tunnel_leaves_two_records() -> None:
    async with StrictlyServed(FakeAllowlist("ok.test")) as proxy:
        connection = await opened_tunnel(proxy)
        end_tunnel(connection)

        assert phases(await proxy.records()) == [("open", "allow", 200), ("close", "allow", 200)]


# --- a reader that is slow ------------------------------------------------------------------------------------------


async def test_relaxed_a_log_that_does_not_keep_up_holds_new_requests_back() -> None:
    async with StrictlyServed(FakeAllowlist("ok.test")) as proxy:
        trail = Trail([Branch(proxy.outlet)])
        proxy.services.audit = AuditEmitter(ENVELOPES["seed"], trail.write, trail=trail)
        proxy.destination.room = 0
        trail.write(b"{}" * outlet_module.CONGESTED_BYTES + b"\n")
        proxy.services.audit.flush()
        proxy.answers(OK)
        client = proxy.open()
        client.send(GET)
        await turns()
        assert proxy.dialer.permits == []

        proxy.destination.room = None
        async with asyncio.timeout(5):
            assert await client.receive_until(b"ok")
