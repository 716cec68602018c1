"""The decision about a tunnel leaves one record, whatever it is, and even when it is cut off."""

import asyncio

import pytest
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import Served, turns
from tests.fakes.transforms import FakeAllowlist, FakeTransform

from iron_proxy.errors import SecretUnavailable
from iron_proxy.messages.authority import Target
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.response import Response, plain_text
from iron_proxy.pipeline.exchange import Exchange, Tunnel
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Stub, Verdict
from iron_proxy.proxy.tunnel_policy import decide_tunnel

TARGET = Target("ok.test", 443)


async def decided(proxy: Served, target: Target = TARGET) -> Tunnel | Response:
    return await decide_tunnel(proxy.connection(MemoryStream()), target, Headers())


async def test_an_admitted_target_becomes_a_tunnel_that_remembers_why() -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        decision = await decided(proxy)

        assert isinstance(decision, Tunnel)
        assert decision.target == TARGET
        assert [trace["action"] for trace in decision.traces] == ["continue"]
        assert await proxy.actions() == [("allow", 200)]


async def test_transforms_that_do_not_look_at_tunnels_are_not_asked() -> None:
    requests_only = FakeTransform("rule", lambda exchange: Reject("no"), scopes=frozenset((Scope.REQUEST,)))
    async with Served(requests_only) as proxy:
        assert isinstance(await decided(proxy), Tunnel)
        assert requests_only.calls == 0


async def test_a_transform_sees_an_opening_for_the_target() -> None:
    seen = []

    def look(exchange: Exchange) -> Verdict:
        seen.append((exchange.request.method, exchange.request.target, exchange.client))
        return CONTINUE

    async with Served(FakeTransform("rule", look)) as proxy:
        await decided(proxy)

    assert seen == [("CONNECT", TARGET, "192.0.2.1:1000")]


@pytest.mark.parametrize(
    ("verdict", "status", "reason", "code"),
    [
        (Reject("not this one"), 403, "not this one", None),
        (Reject("not this one", code="host_not_allowed"), 403, "not this one", "host_not_allowed"),
        (Reject("log in", plain_text(407, "who are you?")), 407, "log in", None),
        (Stub(plain_text(200, "no tunnel")), 200, "answered by a transform", None),
    ],
    ids=["reject", "reject with a code", "reject with an answer", "stub"],
)
async def test_any_other_verdict_refuses_the_tunnel(
    verdict: Verdict, status: int, reason: str, code: str | None
) -> None:
    async with Served(FakeTransform("rule", lambda exchange: verdict)) as proxy:
        decision = await decided(proxy)

        assert isinstance(decision, Response)
        assert decision.status == status
        [record] = await proxy.records()
        assert (record["action"], record["reason"], record["rejected_by"]) == ("reject", reason, "rule")
        assert record.get("code") == code


@pytest.mark.parametrize(
    "error", [SecretUnavailable("secret A: no value"), ValueError("sk-real")], ids=["ours", "foreign"]
)
async def test_a_transform_that_fails_refuses_the_tunnel_with_502(error: Exception) -> None:
    def fail(exchange: Exchange) -> Verdict:
        raise error

    async with Served(FakeTransform("rule", fail)) as proxy:
        decision = await decided(proxy)

        assert isinstance(decision, Response)
        assert decision.status == 502
        [record] = await proxy.records()
        assert (record["action"], record["status_code"]) == ("error", 502)
        assert "sk-real" not in str(record)


class Slow(FakeTransform):
    async def on_request(self, exchange: Exchange) -> Verdict:
        await asyncio.Event().wait()
        return CONTINUE


@pytest.mark.parametrize(
    ("client_left", "expected"), [(False, ("error", 503)), (True, ("client_cancel", 200))], ids=["a stop", "it left"]
)
async def test_a_decision_that_is_cut_off_is_recorded(client_left: bool, expected: tuple[str, int]) -> None:
    async with Served(Slow()) as proxy:
        connection = proxy.connection(MemoryStream())
        connection.client_left = client_left

        async def decide() -> None:
            await decide_tunnel(connection, TARGET, Headers())

        task = proxy.task(decide())
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await proxy.actions() == [expected]
