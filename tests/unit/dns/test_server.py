"""The DNS server over real sockets on loopback: both transports, both event loops, and its end."""

import socket

import dns.flags
import dns.rcode
import pytest
from tests.fakes.dns_upstream import SERVFAIL, FakeDNSUpstream
from tests.unit.dns.dns_served import HeldLookups, NoLookups, answers, framed, rest_of, serving, wire_of

from iron_proxy.dns.answers import Zone
from iron_proxy.dns.forwarding import Forwarder
from iron_proxy.dns.name_servers import ConfiguredServer


def forwarder_to(upstream: FakeDNSUpstream) -> Forwarder:
    host, _, port = upstream.address.partition(":")
    return Forwarder(ConfiguredServer(host, int(port)))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_any_name_is_answered_with_the_proxys_address(transport: str) -> None:
    async with serving() as served:
        message = await getattr(served, transport)("Api.ExAmple.com", use_edns=True)

    assert message.question[0].to_text() == "Api.ExAmple.com. IN A"
    assert answers(message) == ["Api.ExAmple.com. 60 IN A 10.0.0.1"]
    assert message.flags & dns.flags.AA
    assert message.edns == 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_alias_is_answered_with_its_address(transport: str) -> None:
    async with serving() as served:
        message = await getattr(served, transport)("www.test")

    assert answers(message) == ["www.test. 60 IN CNAME db.test.", "db.test. 60 IN A 10.0.0.7"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_other_types_are_empty(transport: str) -> None:
    async with serving() as served:
        message = await getattr(served, transport)("api.example.com", "AAAA")

    assert (message.rcode(), message.answer) == (dns.rcode.NOERROR, [])


async def test_ipv6_clients_are_answered() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    async with serving(host="::1", reports_every_answer=True) as served:
        assert answers(await served.udp("a.test")) == answers(await served.tcp("a.test"))

    assert {event.client.rpartition(":")[0] for event in served.events} == {"[::1]"}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_passthrough_names_are_looked_up_upstream(transport: str) -> None:
    entries = {"ok.passed.test": ["169.254.169.254", "fd00::1"]}
    async with (
        FakeDNSUpstream(entries) as upstream,
        serving(forwarder_to(upstream), passthrough=["*.Passed.test"]) as served,
    ):
        ask = getattr(served, transport)
        assert answers(await ask("ok.passed.test")) == ["ok.passed.test. 60 IN A 169.254.169.254"]
        assert answers(await ask("ok.passed.test", "AAAA")) == ["ok.passed.test. 60 IN AAAA fd00::1"]
        assert answers(await ask("ok.passed.test", "TXT")) == []
        assert (await ask("nx.passed.test")).rcode() == dns.rcode.NXDOMAIN

    assert [query.record_type for query in upstream.queries] == ["A", "AAAA", "A"]
    assert [(event.record_type, event.decision, event.rcode) for event in served.events] == [
        ("A", "passthrough", "NOERROR"),
        ("AAAA", "passthrough", "NOERROR"),
        ("A", "passthrough", "NXDOMAIN"),
    ]


async def test_a_failed_lookup_is_servfail() -> None:
    async with (
        FakeDNSUpstream({"bad.test": SERVFAIL}) as upstream,
        serving(forwarder_to(upstream), passthrough=["*"]) as served,
    ):
        assert (await served.udp("bad.test")).rcode() == dns.rcode.SERVFAIL


async def test_a_long_answer_is_truncated_over_udp_and_whole_over_tcp() -> None:
    many = [f"10.1.{i}.1" for i in range(100)]
    async with (
        FakeDNSUpstream({"many.test": many}) as upstream,
        serving(forwarder_to(upstream), passthrough=["*"]) as served,
    ):
        cut = await served.udp("many.test")
        whole = await served.tcp("many.test")

    assert cut.flags & dns.flags.TC
    assert len(answers(whole)) == 100


async def test_no_name_but_a_passthrough_one_is_ever_looked_up() -> None:
    async with serving(NoLookups(), passthrough=["*.passed.test"]) as served:
        for record_type in ("A", "TXT", "NULL", "CNAME", "ANY"):
            assert (await served.udp("mfrggzdf.other.test", record_type)).rcode() == dns.rcode.NOERROR
            assert (await served.udp("mfrggzdf.www.test", record_type)).rcode() == dns.rcode.NOERROR


async def test_the_zone_can_be_replaced_between_two_questions() -> None:
    async with serving() as served:
        served.server.responder.zone = Zone("10.0.0.99")

        assert answers(await served.udp("db.test")) == ["db.test. 60 IN A 10.0.0.99"]


async def test_closing_ends_lookups_and_connections_and_may_be_repeated() -> None:
    lookups = HeldLookups()
    async with serving(lookups, passthrough=["*"]) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("a.test")))
        await lookups.wait_for(1)

        await served.server.aclose()
        await served.server.aclose()

        assert await rest_of(reader) == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await served.stream()

    assert [event.reason for event in served.events] == ["the server stopped meanwhile"]


async def test_an_exception_of_the_caller_leaves_the_server_as_it_is() -> None:
    with pytest.raises(LookupError):
        async with serving():
            raise LookupError


async def test_sockets_may_be_handed_over_one_after_the_other() -> None:
    """A jail makes them in its own namespace, perhaps later."""
    async with serving() as served:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as more:
            more.bind(("127.0.0.1", 0))
            await served.server.serve([more.dup()])
            served.udp_port = more.getsockname()[1]

        assert answers(await served.udp("a.test")) == ["a.test. 60 IN A 10.0.0.1"]
