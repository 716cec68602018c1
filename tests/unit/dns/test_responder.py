"""The path of one question, without sockets but for lookups: answers, events, limits, bugs."""

import asyncio
import logging
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import pytest
from tests.unit.dns.dns_served import (
    FOUND,
    STATIC,
    BrokenLookups,
    HeldLookups,
    KnownAnswers,
    NoLookups,
    answers,
    framed,
    read_response,
    serving,
    wire_of,
)

from iron_proxy.dns.answers import Zone
from iron_proxy.dns.event_flow import BURST_PER_CLIENT, DNSEvent
from iron_proxy.dns.lookup_limits import LookupLimits
from iron_proxy.dns.responder import Lookups, PendingAnswer, Responder
from iron_proxy.errors import AuditUnavailable

CLIENT = ("192.0.2.7", 5353)
CLIENT_TEXT = "192.0.2.7:5353"


def answer(
    zone: Zone, wire: bytes, events: list[DNSEvent], lookups: Lookups | None = None, **options: Any
) -> bytes | PendingAnswer | None:
    return Responder(zone, lookups or NoLookups(), events.append, **options).answer(wire, CLIENT)


def message_of(response: object) -> dns.message.Message:
    assert isinstance(response, bytes)
    return dns.message.from_wire(response)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_another_class_is_refused_and_reported() -> None:
    events = list[DNSEvent]()
    query = dns.message.make_query("version.bind", "TXT", rdclass=dns.rdataclass.CH)

    message = message_of(answer(Zone("10.0.0.1"), query.to_wire(), events))

    assert message.rcode() == dns.rcode.REFUSED
    assert events == [DNSEvent("version.bind", "TXT", CLIENT_TEXT, "refused", "REFUSED", "class is not IN")]


def test_a_name_that_policy_has_no_place_for_does_not_exist_and_the_client_is_told_why() -> None:
    asked, events = list[tuple[str, str]](), list[DNSEvent]()

    def admits(host: str, client: str) -> bool:
        asked.append((host, client))
        return False

    query = dns.message.make_query("other.test", "A", use_edns=0, pad=128)
    message = message_of(answer(Zone("10.0.0.1", admits=admits), query.to_wire(), events))

    assert message.rcode() == dns.rcode.NXDOMAIN
    assert [option.to_text() for option in message.options] == ["EDE 15 (Blocked)"]
    assert [rrset.to_text().split()[1:4] for rrset in message.authority] == [["60", "IN", "SOA"]]
    assert asked == [("other.test", CLIENT_TEXT)]
    assert events == [
        DNSEvent("other.test", "A", CLIENT_TEXT, "refused", "NXDOMAIN", "no rule allows this name")
    ]


@pytest.mark.parametrize(
    ("wire", "decision", "rcode"),
    [
        (b"", "dropped", ""),
        (b"\x12", "dropped", ""),
        (b"\x12\x34\x81\x00" + bytes(8), "dropped", ""),
        (b"\x12\x34\x01\x00" + bytes(400), "malformed", "FORMERR"),
    ],
    ids=["nothing", "a byte", "an answer", "no question"],
)
def test_malformed_packets_are_reported(wire: bytes, decision: str, rcode: str) -> None:
    events = list[DNSEvent]()

    reply = answer(Zone("10.0.0.1"), wire, events)

    assert reply == (b"\x12\x34\x81\x01" + bytes(8) if rcode else None)
    assert [(event.decision, event.rcode, event.client) for event in events] == [(decision, rcode, CLIENT_TEXT)]


async def test_a_flood_of_refusals_is_counted_not_recorded() -> None:
    events = list[DNSEvent]()
    responder = Responder(Zone("10.0.0.1"), NoLookups(), events.append)
    query = dns.message.make_query("a.test", "AXFR").to_wire()

    replies = [responder.answer(query, CLIENT) for _ in range(BURST_PER_CLIENT + 50)]
    responder.stop()

    assert len({message_of(reply).rcode() for reply in replies}) == 1
    assert len(events) == BURST_PER_CLIENT + 1
    assert events[-1].omitted == 50


# --- events and logs ------------------------------------------------------------------------------------------------


def test_plain_answers_are_reported_only_when_asked_for() -> None:
    zone, events = Zone("10.0.0.1", STATIC), list[DNSEvent]()
    names = ["a.test", "db.test"]

    for name in names:
        answer(zone, wire_of(name), events)
    assert events == []
    for name in names:
        answer(zone, wire_of(name), events, reports_every_answer=True)
    answer(zone, dns.message.make_query("a.test", "TYPE65280").to_wire(), events, reports_every_answer=True)

    assert events == [
        DNSEvent("a.test", "A", CLIENT_TEXT, "intercept", "NOERROR"),
        DNSEvent("db.test", "A", CLIENT_TEXT, "static", "NOERROR"),
        DNSEvent("a.test", "TYPE65280", CLIENT_TEXT, "empty", "NOERROR"),
    ]


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("192.0.2.7", 53), "192.0.2.7:53"),
        (("::ffff:192.0.2.7", 53, 0, 0), "192.0.2.7:53"),
        (("::1", 53, 0, 0), "[::1]:53"),
    ],
    ids=["IPv4", "IPv4 on a dual-stack socket", "IPv6"],
)
def test_the_client_is_written_as_address_and_port(address: tuple[Any, ...], text: str) -> None:
    events: list[DNSEvent] = []

    Responder(Zone("10.0.0.1"), NoLookups(), events.append).answer(b"", address)

    assert events[0].client == text


@pytest.mark.parametrize(
    ("name", "message"), [("a.test", "dns intercept"), ("db.test", "dns static"), ("p.test", "dns passthrough")]
)
def test_every_decision_is_a_debug_line(name: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="iron_proxy.dns")

    answer(Zone("10.0.0.1", STATIC, ["p.test"]), wire_of(name.upper()), [])

    [record] = caplog.records
    assert (record.getMessage(), record.__dict__["fields"]) == (message, {"name": name})


def test_what_cannot_be_reported_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    def full_disk(event: DNSEvent) -> None:
        raise OSError("No space left on device")

    responder = Responder(Zone("10.0.0.1"), NoLookups(), full_disk, reports_every_answer=True)

    assert responder.answer(wire_of("a.test"), CLIENT) is None
    assert [record.getMessage() for record in caplog.records] == ["dns question failed"]


# --- lookups: cap, bugs, the end ------------------------------------------------------------------------------------


def test_what_is_known_is_answered_at_once_and_reported() -> None:
    events = list[DNSEvent]()

    message = message_of(answer(Zone("10.0.0.1", passthrough=["p.test"]), wire_of("p.test"), events, KnownAnswers()))

    assert answers(message) == ["p.test. 60 IN A 10.0.0.9"]
    assert events == [DNSEvent("p.test", "A", CLIENT_TEXT, "passthrough", "NOERROR", "", "cache")]


async def test_a_lookup_is_reported_with_who_answered_and_how_long_it_took() -> None:
    lookups = HeldLookups()
    lookups.release.set()
    async with serving(lookups, passthrough=["p.test"]) as served:
        await served.udp("p.test")

    [event] = served.events
    assert (event.name, event.decision, event.rcode, event.upstream) == (
        "p.test", "passthrough", "NOERROR", FOUND.upstream,
    )  # fmt: skip
    assert event.duration is not None
    assert 0 < event.duration < 2


async def test_over_the_cap_a_lookup_is_servfail_and_other_answers_go_on() -> None:
    lookups = HeldLookups()
    async with (
        serving(lookups, passthrough=["*.passed.test"], limits=LookupLimits(None, at_once=2)) as served,
        asyncio.TaskGroup() as clients,
    ):
        held = [clients.create_task(served.udp(f"{i}.passed.test")) for i in range(2)]
        await lookups.wait_for(2)

        assert (await served.udp("3.passed.test")).rcode() == dns.rcode.SERVFAIL
        assert answers(await served.udp("a.test")) == ["a.test. 60 IN A 10.0.0.1"]
        lookups.release.set()

    assert [answers(task.result()) for task in held] == [[f"{i}.passed.test. 60 IN A 10.0.0.9"] for i in range(2)]
    assert served.events[0].reason == "too many lookups at once"


async def test_a_client_that_looks_up_too_much_is_refused_and_others_are_not() -> None:
    lookups = HeldLookups()
    lookups.release.set()
    async with serving(lookups, passthrough=["*"], limits=LookupLimits(2)) as served:
        rcodes = [(await served.udp(f"{number}.test", use_edns=0)).rcode() for number in range(3)]
        reader, writer = await asyncio.open_connection(served.host, served.tcp_port, local_addr=("127.0.0.2", 0))
        writer.write(framed(wire_of("4.test")))
        other = await read_response(reader)
        writer.close()

    assert [dns.rcode.to_text(rcode) for rcode in (*rcodes, other.rcode())] == [
        "NOERROR", "NOERROR", "REFUSED", "NOERROR",
    ]  # fmt: skip
    assert len(lookups.asked) == 3
    assert [event.reason for event in served.events if event.decision == "refused"] == [
        "too many lookups by this client"
    ]


async def test_what_has_ended_counts_no_more() -> None:
    lookups = HeldLookups()
    lookups.release.set()
    limits = LookupLimits(None, at_once=1)
    async with serving(lookups, passthrough=["*"], limits=limits) as served:
        for number in range(3):
            assert (await served.tcp(f"{number}.test")).rcode() == dns.rcode.NOERROR


async def test_a_bug_in_a_lookup_leaves_that_question_alone_unanswered(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(BrokenLookups(), passthrough=["p.test"]) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("p.test", 1)) + framed(wire_of("a.test", 2)))

        assert (await read_response(reader)).id == 2
        assert answers(await served.udp("a.test")) == ["a.test. 60 IN A 10.0.0.1"]
        writer.close()

    [record] = caplog.records
    assert (record.getMessage(), record.__dict__["fields"]) == ("dns question failed", {"error": "RuntimeError"})


async def test_a_lookup_that_may_not_leave_the_machine_fails_with_the_reason_and_nobody_is_asked() -> None:
    async def refuse() -> None:
        raise AuditUnavailable("the audit log cannot be written")

    events = list[DNSEvent]()
    replies = asyncio.Queue[bytes]()
    zone = Zone("10.0.0.1", passthrough=("passed.test",))
    responder = Responder(zone, BrokenLookups(), events.append, before_lookup=refuse)
    async with responder.tasks:
        pending = responder.answer(wire_of("passed.test"), CLIENT)
        assert isinstance(pending, PendingAnswer)
        responder.look_up(pending, CLIENT, replies.put_nowait)

    assert dns.message.from_wire(replies.get_nowait()).rcode() == dns.rcode.SERVFAIL
    assert [(event.rcode, event.reason) for event in events] == [("SERVFAIL", "the audit log cannot be written")]
