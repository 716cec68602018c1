"""Passthrough lookups: what each outcome of the resolver becomes."""

import asyncio
import logging

import pytest

from iron_proxy.dns import messages
from iron_proxy.dns.answers import Forward
from iron_proxy.dns.forwarding import Forwarder
from iron_proxy.dns.messages import EMPTY, Record, address_record, build_tail, serialize_name
from iron_proxy.errors import UpstreamUnreachable
from iron_proxy.upstream.resolver import AddressFamily, NoSuchHost


class ScriptedResolver:
    def __init__(self, outcome: list[str] | Exception | None) -> None:
        self.outcome = outcome
        self.asked: list[tuple[str, str]] = []

    async def resolve(self, host: str) -> list[str]:
        raise AssertionError("passthrough asks for one family only")

    async def lookup(self, host: str, family: AddressFamily) -> list[str]:
        self.asked.append((host, family))
        if self.outcome is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome or []


@pytest.mark.parametrize(
    ("record_type", "family", "address"),
    [(messages.A, "A", "169.254.169.254"), (messages.AAAA, "AAAA", "fd00::7")],
    ids=["A", "AAAA"],
)
async def test_addresses_become_records(record_type: int, family: str, address: str) -> None:
    resolver = ScriptedResolver([address])

    forwarded = await Forwarder(resolver).look_up(Forward("ok.test", record_type))

    assert forwarded == (messages.NOERROR, build_tail([address_record(address)]))
    assert resolver.asked == [("ok.test", family)]


async def test_a_name_without_addresses_of_the_family_is_empty() -> None:
    assert await Forwarder(ScriptedResolver([])).look_up(Forward("ok.test", messages.AAAA)) == (messages.NOERROR, EMPTY)


async def test_aliases_stand_before_the_addresses() -> None:
    alias = Record(messages.CNAME, serialize_name("ok.test"))
    owner = serialize_name("ok.test")

    forwarded = await Forwarder(ScriptedResolver(["10.0.0.7"])).look_up(Forward("ok.test", 1, (alias,), owner))

    assert forwarded == (messages.NOERROR, build_tail([alias, address_record("10.0.0.7", owner)]))


async def test_a_name_that_does_not_exist_stays_so(caplog: pytest.LogCaptureFixture) -> None:
    resolver = ScriptedResolver(NoSuchHost("lookup nx.test: no such host"))

    forwarded = await Forwarder(resolver).look_up(Forward("nx.test", messages.A))

    assert forwarded == (messages.NXDOMAIN, EMPTY)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (UpstreamUnreachable("lookup bad.test: server failure"), "lookup bad.test: server failure"),
        (None, "lookup bad.test: timed out"),
    ],
    ids=["failure", "silence"],
)
async def test_a_failed_lookup_is_a_server_failure_with_a_warning(
    outcome: Exception | None, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    forwarded = await Forwarder(ScriptedResolver(outcome), deadline=0.01).look_up(Forward("bad.test", messages.A))

    assert forwarded == (messages.SERVFAIL, EMPTY)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("iron_proxy.dns", logging.WARNING)
    assert record.getMessage() == "dns passthrough lookup failed"
    assert record.__dict__["fields"] == {"name": "bad.test", "error": text}
