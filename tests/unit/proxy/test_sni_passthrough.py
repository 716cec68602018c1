"""TLS that is passed through: decided on by name alone, relayed untouched, and one record whatever happens."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import cast

import pytest
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import FarEnd, Served, turns
from tests.fakes.transforms import FakeAllowlist, FakeTransform
from tests.wire.client_hellos import client_hello

from iron_proxy.errors import TransformError, UpstreamDenied, UpstreamUnreachable
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.messages.authority import Target
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Exchange, Tunnel
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Stub, Verdict
from iron_proxy.protocols.client_hello import ClientHello
from iron_proxy.proxy import timeouts
from iron_proxy.proxy.sni_passthrough import serve_passthrough
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.transforms.allowlist import Allowlist

HELLO_BYTES = client_hello()
ALERT_DENIED, ALERT_INTERNAL, ALERT_NAME = (bytes((21, 3, 3, 0, 2, 2, code)) for code in (49, 80, 112))


def hello(name: str | None = "ok.test") -> ClientHello:
    return ClientHello(name, (), True, 0x0303)


def opened(proxy: Served, name: str | None = "ok.test", tunnel: Tunnel | None = None) -> FarEnd:
    """A client whose ClientHello has been read."""

    async def serve(stream: MemoryStream) -> None:
        stream.push_back(HELLO_BYTES)
        await serve_passthrough(cast(SocketStream, stream), proxy.services, hello(name), tunnel)

    return proxy.run(serve)


def passing(*transforms: FakeTransform | Allowlist, mode: str = "sni-only") -> Served:
    proxy = Served(*transforms)
    proxy.services.snapshot = dataclasses.replace(proxy.services.snapshot, tls_mode=mode)
    return proxy


@pytest.fixture
async def proxy() -> AsyncIterator[Served]:
    async with passing(FakeAllowlist("ok.test", "192.0.2.7")) as proxy:
        yield proxy


async def relayed(proxy: Served) -> tuple[FarEnd, FarEnd]:
    client = opened(proxy)
    upstream = await proxy.upstream()
    assert await upstream.receive_until(HELLO_BYTES) == HELLO_BYTES
    return client, upstream


# --- the relay ------------------------------------------------------------------------------------------------------


async def test_the_client_hello_goes_first_and_everything_else_behind_it(proxy: Served) -> None:
    client, upstream = await relayed(proxy)
    upstream.send(b"server hello")
    assert await client.receive_until(b"server hello") == b"server hello"
    client.send(b"finished")
    assert await upstream.receive_until(b"finished") == b"finished"
    await client.stream.write_end()
    assert await upstream.receive_to_end() == b""
    upstream.send(b"the answer to a client that half-closed")
    await upstream.stream.write_end()

    assert await client.receive_to_end() == b"the answer to a client that half-closed"
    [permit] = proxy.dialer.raw_permits
    assert permit.target == Target("ok.test", 443)
    assert proxy.leaves.asked == []


async def test_the_record_is_written_at_the_end_and_says_how_it_went(proxy: Served) -> None:
    client, upstream = await relayed(proxy)
    assert await proxy.records() == []

    await client.stream.write_end()
    await upstream.stream.write_end()
    await client.served()

    [record] = await proxy.records()
    assert {key: record[key] for key in ("host", "sni", "method", "path", "mode", "action", "status_code")} == {
        "host": "ok.test", "sni": "ok.test", "method": "", "path": "", "mode": "sni-only", "action": "allow",
        "status_code": 200,
    }  # fmt: skip
    assert [trace["name"] for trace in record["request_transforms"]] == ["allowlist"]
    assert proxy.services.connections == set()


async def test_in_mitm_mode_the_record_says_passthrough() -> None:
    async with passing(FakeAllowlist("ok.test"), mode="mitm") as proxy:
        client, upstream = await relayed(proxy)
        await client.stream.write_end()
        await upstream.stream.write_end()
        await client.served()

        assert (await proxy.records())[0]["mode"] == "passthrough"


@pytest.mark.parametrize("leaver", ["client", "upstream"])
async def test_when_one_side_breaks_the_other_is_broken_too(proxy: Served, leaver: str) -> None:
    client, upstream = await relayed(proxy)
    gone, left = (client, upstream) if leaver == "client" else (upstream, client)

    gone.stream.abort()

    assert await left.is_reset()
    await client.served()
    assert await proxy.actions() == [("allow", 200)]


async def test_a_connection_on_which_nobody_speaks_ends(proxy: Served) -> None:
    proxy.limit(tunnel_idle=0.01)
    client, upstream = await relayed(proxy)

    assert await client.is_reset()
    assert await upstream.is_reset()
    assert await proxy.actions() == [("allow", 200)]


# --- the decision ---------------------------------------------------------------------------------------------------


async def test_transforms_see_a_host_and_nothing_else() -> None:
    seen: list[Exchange] = []

    def look(exchange: Exchange) -> Verdict:
        seen.append(exchange)
        return CONTINUE

    whole_requests = FakeTransform("secrets", scopes=frozenset((Scope.REQUEST,)))
    async with passing(FakeTransform("look", look), whole_requests) as proxy:
        await relayed(proxy)

    [exchange] = seen
    request = exchange.request
    assert (request.method, request.scheme, request.target, request.path, len(request.headers)) == (
        "", "https", Target("ok.test", 443), "", 0
    )  # fmt: skip
    assert (exchange.server_name, exchange.client) == ("ok.test", "192.0.2.2:2000")
    assert whole_requests.calls == 0


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        (Rule.for_host("ok.test"), True),
        (Rule.for_host("*.test"), True),
        (dataclasses.replace(Rule.for_host("ok.test"), ports=frozenset((443,))), True),
        (dataclasses.replace(Rule.for_host("ok.test"), schemes=frozenset(("https",))), True),
        (dataclasses.replace(Rule.for_host("ok.test"), ports=frozenset((8443,))), False),
        (dataclasses.replace(Rule.for_host("ok.test"), schemes=frozenset(("http",))), False),
        (dataclasses.replace(Rule.for_host("ok.test"), methods=frozenset(("GET",))), False),
        (dataclasses.replace(Rule.for_host("ok.test"), paths=(PathPattern.parse("/v1/*"),)), False),
        (dataclasses.replace(Rule.for_host("ok.test"), paths=(PathPattern.parse("/*/*"),)), False),
        (Rule.for_host("other.test"), False),
    ],
    ids=[
        "host", "suffix", "port 443", "https", "another port", "http", "methods", "paths", "wide paths", "other host",
    ],
)  # fmt: skip
async def test_a_rule_that_nobody_could_enforce_here_admits_nothing(rule: Rule, admitted: bool) -> None:
    async with passing(Allowlist([rule])) as proxy:
        client = opened(proxy)
        if admitted:
            await (await proxy.upstream()).receive_until(HELLO_BYTES)
            return
        assert await client.receive_to_end() == ALERT_DENIED

        assert proxy.dialer.permits == []
        [record] = await proxy.records()
        assert (record["action"], record["status_code"], record["rejected_by"]) == ("reject", 403, "allowlist")


async def test_without_an_allowlist_nothing_is_admitted() -> None:
    async with Served(allow_by_default=False) as proxy:
        assert await opened(proxy).receive_to_end() == ALERT_DENIED

        [record] = await proxy.records()
        assert (record["rejected_by"], record["code"]) == ("default_deny", "no_allowlist")


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Reject("no"), ("reject", 403)),
        (Reject("no", Response(407)), ("reject", 407)),
        (Stub(Response(204)), ("stub", 204)),
    ],
    ids=["reject", "reject with an answer", "stub"],
)
async def test_what_a_transform_does_not_let_pass_is_not_dialled(verdict: Verdict, expected: tuple[str, int]) -> None:
    async with passing(FakeTransform("rule", lambda exchange: verdict)) as proxy:
        assert await opened(proxy).receive_to_end() == ALERT_DENIED

        assert proxy.dialer.permits == []
        assert await proxy.actions() == [expected]


async def test_a_transform_that_fails_is_an_error() -> None:
    def fail(exchange: Exchange) -> Verdict:
        raise TransformError("broken")

    async with passing(FakeTransform("broken", fail)) as proxy:
        assert await opened(proxy).receive_to_end() == ALERT_INTERNAL

        assert await proxy.actions() == [("error", 502)]


@pytest.mark.parametrize("failure", [UpstreamUnreachable("no such host"), UpstreamDenied("denied")])
async def test_an_upstream_that_cannot_be_dialled_is_an_error(
    proxy: Served, failure: UpstreamUnreachable | UpstreamDenied
) -> None:
    proxy.answers(failure)

    assert await opened(proxy).receive_to_end() == ALERT_INTERNAL

    [record] = await proxy.records()
    assert (record["action"], record["status_code"], record["error"]) == ("error", 502, str(failure))


# --- the name -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tunnel", [None, Tunnel(Target("ok.test", 443))], ids=["no tunnel", "a tunnel to a name"])
async def test_a_client_hello_without_a_name_is_refused(proxy: Served, tunnel: Tunnel | None) -> None:
    assert await opened(proxy, None, tunnel).receive_to_end() == ALERT_NAME

    [record] = await proxy.records()
    assert (record["action"], record["status_code"], record["reason"]) == ("reject", 400, "client hello missing sni")
    assert record["mode"] == "sni-only"


async def test_in_a_tunnel_to_an_address_no_name_is_needed(proxy: Served) -> None:
    client = opened(proxy, None, Tunnel(Target("192.0.2.7", 443, True)))
    await (await proxy.upstream()).receive_until(HELLO_BYTES)
    client.stream.abort()
    await client.served()

    assert proxy.dialer.permits[0].target == Target("192.0.2.7", 443, True)
    [record] = await proxy.records()
    assert (record["host"], record["sni"]) == ("192.0.2.7", "")


@pytest.mark.parametrize(
    "target", [Target("other.test", 443), Target("192.0.2.7", 443, True)], ids=["another name", "an address"]
)
async def test_the_name_must_be_the_tunnels_host(proxy: Served, target: Target) -> None:
    assert await opened(proxy, "ok.test", Tunnel(target)).receive_to_end() == ALERT_NAME

    assert proxy.dialer.permits == []
    [record] = await proxy.records()
    assert (record["status_code"], record["reason"]) == (421, "SNI and tunnel target mismatch")


async def test_the_port_is_443_whatever_the_tunnel_asked_for_and_the_record_says_so(proxy: Served) -> None:
    client = opened(proxy, "ok.test", Tunnel(Target("ok.test", 22), ({"name": "allowlist"},)))
    await (await proxy.upstream()).receive_until(HELLO_BYTES)
    client.stream.abort()
    await client.served()

    assert proxy.dialer.permits[0].target == Target("ok.test", 443)
    [record] = await proxy.records()
    assert record["tunnel"] == {
        "target": "ok.test:22", "port_passed_through": 443, "request_transforms": [{"name": "allowlist"}]
    }  # fmt: skip


# --- a stop ---------------------------------------------------------------------------------------------------------


async def test_a_stop_ends_what_is_quiet(proxy: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "PASSTHROUGH_QUIET", 0.0)
    client, upstream = await relayed(proxy)

    [connection] = proxy.services.connections
    connection.close_if_idle()

    assert await client.receive_to_end() == b""
    assert await upstream.receive_to_end() == b""
    await client.served()
    assert await proxy.actions() == [("allow", 200)]


async def test_a_stop_leaves_what_is_moving_until_it_is_quiet(proxy: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "PASSTHROUGH_QUIET", 0.05)
    client, upstream = await relayed(proxy)
    [connection] = proxy.services.connections

    connection.close_if_idle()
    upstream.send(b"still going")

    assert await client.receive_to_end() == b"still going"
    await client.served()
    assert await proxy.actions() == [("allow", 200)]


async def test_a_connection_dialled_during_a_stop_is_closed_when_quiet(
    proxy: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "PASSTHROUGH_QUIET", 0.01)
    proxy.services.draining = True
    client, _ = await relayed(proxy)

    assert await client.receive_to_end() == b""


async def test_a_stop_that_cuts_it_leaves_its_record(proxy: Served) -> None:
    client, upstream = await relayed(proxy)

    client.cancel()

    assert await client.is_reset()
    await upstream.is_reset()
    with pytest.raises(asyncio.CancelledError):
        await client.served()
    assert await proxy.actions() == [("error", 503)]


async def test_before_there_is_a_relay_a_stop_does_not_cut_the_dial(
    proxy: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled, go_on = asyncio.Event(), asyncio.Event()
    dial = proxy.dialer.dial

    async def slow_dial(permit: Permit) -> Stream:
        dialled.set()
        await go_on.wait()
        return await dial(permit)

    monkeypatch.setattr(proxy.dialer, "dial_raw", slow_dial)
    client = opened(proxy)
    await dialled.wait()
    [connection] = proxy.services.connections
    connection.close_if_idle()
    client.stream.abort()
    go_on.set()
    await client.served()

    await turns()
    assert await proxy.actions() == [("client_cancel", 200)]
