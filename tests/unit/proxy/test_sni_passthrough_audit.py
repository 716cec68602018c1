"""What a passed-through connection leaves in the audit log when it begins, and what strict mode does to it."""

import dataclasses
from typing import Any

import pytest
from tests.fakes.served import FarEnd, Served, turns
from tests.fakes.strictly_served import StrictlyServed
from tests.fakes.transforms import FakeAllowlist
from tests.unit.proxy.test_sni_passthrough import ALERT_DENIED, HELLO_BYTES, opened, passing

from iron_proxy.audit import outlet


def strictly_passing() -> StrictlyServed:
    proxy = StrictlyServed(FakeAllowlist("ok.test"))
    proxy.services.snapshot = dataclasses.replace(proxy.services.snapshot, tls_mode="sni-only")
    return proxy


async def relay_to_the_end(proxy: Served, client: FarEnd) -> None:
    upstream = await proxy.upstream()
    await upstream.receive_until(HELLO_BYTES)
    await client.stream.write_end()
    await upstream.stream.write_end()
    await client.served()


def phases(records: list[dict[str, Any]]) -> list[tuple[Any, str]]:
    return [(record.get("phase"), record["action"]) for record in records]


async def test_the_record_tells_the_rule_and_the_upstream() -> None:
    async with passing(FakeAllowlist("ok.test")) as proxy:
        await relay_to_the_end(proxy, opened(proxy))

        [record] = await proxy.records()

    assert (record["rule"], record["generation"]) == ("domains: ok.test", 1)
    assert record["upstream"].keys() == {"address"}
    assert record["bytes_from_client"] == len(HELLO_BYTES)


async def test_it_leaves_two_records_where_sessions_do() -> None:
    async with passing(FakeAllowlist("ok.test")) as proxy:
        proxy.services.records_sessions = True
        client = opened(proxy)
        await proxy.upstream()
        assert phases(await proxy.records()) == [("open", "allow")]
        await relay_to_the_end(proxy, client)

        opening, closing = await proxy.records()

    assert phases([closing]) == [("close", "allow")]
    assert opening["request_id"] == closing["request_id"]


async def test_strict_it_is_recorded_before_it_is_dialled() -> None:
    async with strictly_passing() as proxy:
        proxy.destination.room = 0
        client = opened(proxy)
        await turns()
        assert proxy.dialer.permits == []

        proxy.destination.room = None
        await relay_to_the_end(proxy, client)
        assert phases(await proxy.records()) == [("open", "allow"), ("close", "allow")]


async def test_strict_a_refusal_is_recorded_before_the_client_is_told() -> None:
    async with strictly_passing() as proxy:
        proxy.destination.room = 0
        client = opened(proxy, "other.test")
        await turns()
        assert not client.stream.has_unread

        proxy.destination.room = None
        assert await client.receive_to_end() == ALERT_DENIED
        assert phases(await proxy.records()) == [(None, "reject")]


async def test_strict_nothing_is_dialled_while_the_log_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "STALL_SECONDS", 0.0)
    async with strictly_passing() as proxy:
        proxy.destination.is_full = True
        for _ in range(2):
            await opened(proxy).served()

        assert proxy.dialer.permits == []
        proxy.destination.is_full = False
