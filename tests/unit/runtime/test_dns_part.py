"""From the `dns:` block to a server: its policy, its sockets, its audit records."""

import json
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import dns.message
import dns.rcode
import pytest
from tests.fakes.log_lines import LogLines
from tests.fakes.transforms import FakeAllowlist
from tests.unit.runtime.assembled import ANY_PORT, EVERYTHING, HTTP_ONLY, assembled, close

from iron_proxy.config.addresses import ResolverAddress
from iron_proxy.config.schema import DNSConfig, DNSRecordConfig
from iron_proxy.dns.event_flow import DNSEvent
from iron_proxy.dns.name_servers import ConfiguredServer, SystemServers
from iron_proxy.dns.responder import PendingAnswer, Responder
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.proxy.client_identity import Client, ClientIdentities
from iron_proxy.runtime.assemble import Assembly
from iron_proxy.runtime.dns_part import bind_dns, build_dns_server

ON = DNSConfig(listen=ANY_PORT, proxy_ip="192.0.2.1", proxy_ip6="2001:db8::1")
CLIENT = ("192.0.2.9", 9)


def responder(assembly: Assembly, config: DNSConfig) -> Responder:
    return build_dns_server(config, assembly.services).responder


def answer(asked: Responder, name: str, record_type: str = "A") -> dns.message.Message:
    response = asked.answer(dns.message.make_query(name, record_type).to_wire(), CLIENT)
    assert isinstance(response, bytes)
    return dns.message.from_wire(response)


async def test_one_port_is_bound_for_both_transports(process_log: LogLines) -> None:
    assembly = assembled(replace(EVERYTHING, dns=ON))
    part = assembly.dns

    assert part is not None
    assert [sock.getsockname() for sock in part.datagrams] == [sock.getsockname() for sock in part.streams]
    close(assembly)


async def test_dns_that_is_off_binds_nothing(process_log: LogLines) -> None:
    assembly = assembled(HTTP_ONLY)

    assert bind_dns(DNSConfig(enabled=False, listen=None), assembly.services) is None
    close(assembly)


async def test_every_key_reaches_the_answers(process_log: LogLines) -> None:
    assembly = assembled(HTTP_ONLY)
    records = (DNSRecordConfig("db.test", "TXT", "hello"),)
    asked = responder(assembly, replace(ON, records=records, passthrough=("*.passed.test",), lookups_per_minute=1))

    assert answer(asked, "a.test").answer[0].to_text() == "a.test. 60 IN A 192.0.2.1"
    assert answer(asked, "a.test", "AAAA").answer[0].to_text() == "a.test. 60 IN AAAA 2001:db8::1"
    assert answer(asked, "db.test", "TXT").answer[0].to_text() == 'db.test. 60 IN TXT "hello"'
    passed = asked.answer(dns.message.make_query("a.passed.test", "A").to_wire(), CLIENT)
    assert isinstance(passed, PendingAnswer)
    assert [asked._limits.begin("a") is None for _ in range(2)] == [True, False]
    close(assembly)


async def test_strict_mode_asks_the_policy_of_this_moment_about_this_client(process_log: LogLines) -> None:
    class ForOneClient(FakeAllowlist):
        def admits_name(self, host: str, client: str = "") -> bool:
            return host in self._hosts and client == "ci"

    pipeline = Pipeline([ForOneClient("ok.test")])
    clients = ClientIdentities([Client("ci", (ip_network("192.0.2.0/24"),))])
    assembly = assembled(HTTP_ONLY, pipeline)
    asked = responder(assembly, replace(ON, mode="strict"))
    services = assembly.services

    assert answer(asked, "ok.test").rcode() == dns.rcode.NXDOMAIN
    services.snapshot = replace(services.snapshot, clients=clients)
    assert answer(asked, "ok.test").rcode() == dns.rcode.NOERROR
    assert answer(asked, "other.test").rcode() == dns.rcode.NXDOMAIN
    services.snapshot = replace(services.snapshot, pipeline=Pipeline([], allow_by_default=True))
    assert answer(asked, "other.test").rcode() == dns.rcode.NOERROR
    services.audit.flush()
    close(assembly)


@pytest.mark.parametrize(
    ("resolver", "kind"), [(None, SystemServers), (ResolverAddress("192.0.2.53", 53), ConfiguredServer)]
)
async def test_passthrough_names_are_asked_where_the_configuration_says(
    process_log: LogLines, resolver: ResolverAddress | None, kind: type
) -> None:
    assembly = assembled(HTTP_ONLY)

    lookups: Any = responder(assembly, replace(ON, upstream_resolver=resolver))._lookups

    assert isinstance(lookups._name_servers, kind)
    close(assembly)


FACTS = ("level", "action", "reason", "remote_addr", "host", "duration_ms", "dns")
PASSED = DNSEvent("a.test", "A", "192.0.2.9:9", "passthrough", "NOERROR", "", "10.0.0.53:53", 0.0123456)


@pytest.mark.parametrize(
    ("event", "facts"),
    [
        (PASSED, ["INFO", "allow", None, "192.0.2.9:9", "a.test", 12.345,
                  {"type": "A", "decision": "passthrough", "rcode": "NOERROR", "upstream": "10.0.0.53:53"}]),
        (PASSED._replace(rcode="NXDOMAIN", upstream="cache", duration=None),
         ["INFO", "allow", None, "192.0.2.9:9", "a.test", None,
          {"type": "A", "decision": "passthrough", "rcode": "NXDOMAIN", "upstream": "cache"}]),
        (PASSED._replace(rcode="SERVFAIL", reason="timed out"),
         ["ERROR", "error", "timed out", "192.0.2.9:9", "a.test", 12.345,
          {"type": "A", "decision": "passthrough", "rcode": "SERVFAIL", "upstream": "10.0.0.53:53"}]),
        (DNSEvent("b.test", "A", "192.0.2.9:9", "refused", "NXDOMAIN", "no rule allows this name"),
         ["WARN", "reject", "no rule allows this name", "192.0.2.9:9", "b.test", None,
          {"type": "A", "decision": "refused", "rcode": "NXDOMAIN"}]),
        (DNSEvent("", "", "192.0.2.9:9", "dropped", "", "shorter than a header"),
         ["WARN", "reject", "shorter than a header", "192.0.2.9:9", None, None, {"decision": "dropped"}]),
        (DNSEvent("", "", "", "refused", "REFUSED", "too many to record one by one", omitted=1234),
         ["WARN", "reject", "too many to record one by one", "", None, None,
          {"decision": "refused", "rcode": "REFUSED", "omitted": 1234}]),
    ],
    ids=["looked up", "from the cache", "failed", "refused", "dropped", "many"],
)  # fmt: skip
async def test_each_event_is_one_record(
    process_log: LogLines, event: DNSEvent, facts: list[Any], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assembly = assembled(HTTP_ONLY)

    responder(assembly, ON).events.tell(event)
    assembly.services.audit.flush()
    close(assembly)

    record = json.loads(capfdbinary.readouterr().err)
    assert (record["msg"], record["event"]) == ("event", "dns")
    assert [record.get(name) for name in FACTS] == facts


async def test_a_record_names_the_configured_client(
    process_log: LogLines, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assembly = assembled(HTTP_ONLY)
    clients = ClientIdentities([Client("ci", (ip_network("192.0.2.0/24"),))])
    assembly.services.snapshot = replace(assembly.services.snapshot, clients=clients)

    responder(assembly, ON).events.tell(PASSED)
    assembly.services.audit.flush()
    close(assembly)

    assert json.loads(capfdbinary.readouterr().err)["client"] == "ci"
