"""The DNS server over real sockets on loopback, and the path of one packet through it."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncquery
import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.dns_upstream import SERVFAIL, FakeDNSUpstream

from iron_proxy.config.schema import DNSRecordConfig
from iron_proxy.dns.answers import Forward, Zone
from iron_proxy.dns.forwarding import Forwarded, Forwarder
from iron_proxy.dns.messages import NOERROR, address_record, build_tail
from iron_proxy.dns.server import MAX_STREAM_QUERY_BYTES, DNSServer, Event, PendingAnswer
from iron_proxy.upstream.resolver import UpstreamResolver

CLIENT = ("192.0.2.7", 5353)
STATIC = [DNSRecordConfig("db.test", "A", "10.0.0.7"), DNSRecordConfig("www.test", "CNAME", "db.test")]


class HeldLookups:
    """Passthrough lookups that end when the test says so."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.asked: list[Forward] = []
        self.arrived = asyncio.Condition()

    async def look_up(self, forward: Forward) -> Forwarded:
        async with self.arrived:
            self.asked.append(forward)
            self.arrived.notify_all()
        await self.release.wait()
        return Forwarded(NOERROR, build_tail([address_record("10.0.0.9")]))

    async def wait_for(self, count: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.asked) >= count)


class NoLookups:
    async def look_up(self, forward: Forward) -> Forwarded:
        raise AssertionError("nothing may be looked up")


class BrokenLookups:
    async def look_up(self, forward: Forward) -> Forwarded:
        raise RuntimeError("a bug")


class Served:
    """A server with one UDP and one TCP socket, and clients for both."""

    def __init__(self, server: DNSServer, events: list[Event], host: str, udp_port: int, tcp_port: int) -> None:
        self.server, self.events = server, events
        self.host, self.udp_port, self.tcp_port = host, udp_port, tcp_port

    async def udp(self, name: str, record_type: str = "A", **options: Any) -> dns.message.Message:
        query = dns.message.make_query(name, record_type, **options)
        return await dns.asyncquery.udp(query, self.host, timeout=2, port=self.udp_port)

    async def tcp(self, name: str, record_type: str = "A", **options: Any) -> dns.message.Message:
        query = dns.message.make_query(name, record_type, **options)
        return await dns.asyncquery.tcp(query, self.host, timeout=2, port=self.tcp_port)

    async def stream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.tcp_port)


@asynccontextmanager
async def serving(
    forwarder: Any = None, *, passthrough: Sequence[str] = (), host: str = "127.0.0.1", **options: Any
) -> AsyncIterator[Served]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.bind((host, 0))
    streams = socket.create_server((host, 0), family=family)
    ports = datagrams.getsockname()[1], streams.getsockname()[1]
    events: list[Event] = []
    zone = Zone("10.0.0.1", STATIC, passthrough)
    async with DNSServer(zone, forwarder or NoLookups(), events.append, **options) as server:
        await server.serve([datagrams], [streams])
        yield Served(server, events, host, *ports)


def answers(message: dns.message.Message) -> list[str]:
    return [line for rrset in message.answer for line in rrset.to_text().split("\n")]


def framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(2, "big") + wire


def wire_of(name: str, number: int = 1) -> bytes:
    query = dns.message.make_query(name, "A")
    query.id = number
    return query.to_wire()


async def read_response(reader: asyncio.StreamReader) -> dns.message.Message:
    size = int.from_bytes(await reader.readexactly(2), "big")
    return dns.message.from_wire(await reader.readexactly(size))


# --- answers over both transports -----------------------------------------------------------------------------------


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

    assert {event["client"].rpartition(":")[0] for event in served.events} == {"[::1]"}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_passthrough_names_are_looked_up_upstream(transport: str) -> None:
    entries = {"ok.passed.test": ["169.254.169.254", "fd00::1"]}
    async with (
        FakeDNSUpstream(entries) as upstream,
        serving(Forwarder(UpstreamResolver(upstream.address)), passthrough=["*.Passed.test"]) as served,
    ):
        ask = getattr(served, transport)
        assert answers(await ask("ok.passed.test")) == ["ok.passed.test. 60 IN A 169.254.169.254"]
        assert answers(await ask("ok.passed.test", "AAAA")) == ["ok.passed.test. 60 IN AAAA fd00::1"]
        assert answers(await ask("ok.passed.test", "TXT")) == []
        assert (await ask("nx.passed.test")).rcode() == dns.rcode.NXDOMAIN

    assert [query.record_type for query in upstream.queries] == ["A", "AAAA", "A"]
    assert [(event["type"], event["decision"], event["rcode"]) for event in served.events] == [
        ("A", "passthrough", "NOERROR"),
        ("AAAA", "passthrough", "NOERROR"),
        ("A", "passthrough", "NXDOMAIN"),
    ]


async def test_a_failed_lookup_is_servfail() -> None:
    async with (
        FakeDNSUpstream({"bad.test": SERVFAIL}) as upstream,
        serving(Forwarder(UpstreamResolver(upstream.address)), passthrough=["*"]) as served,
    ):
        assert (await served.udp("bad.test")).rcode() == dns.rcode.SERVFAIL


async def test_a_long_answer_is_truncated_over_udp_and_whole_over_tcp() -> None:
    many = [f"10.1.{i}.1" for i in range(100)]
    async with (
        FakeDNSUpstream({"many.test": many}) as upstream,
        serving(Forwarder(UpstreamResolver(upstream.address)), passthrough=["*"]) as served,
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
        served.server.zone = Zone("10.0.0.99")

        assert answers(await served.udp("db.test")) == ["db.test. 60 IN A 10.0.0.99"]


def test_it_works_on_uvloop_over_both_transports() -> None:
    async def ask_all() -> list[list[str]]:
        entries = {"ok.passed.test": ["10.0.0.8"]}
        async with (
            FakeDNSUpstream(entries) as upstream,
            serving(Forwarder(UpstreamResolver(upstream.address)), passthrough=["*.passed.test"]) as served,
        ):
            names = ("a.test", "ok.passed.test")
            return [answers(await ask(name)) for ask in (served.udp, served.tcp) for name in names]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(ask_all())

    assert found == 2 * [["a.test. 60 IN A 10.0.0.1"], ["ok.passed.test. 60 IN A 10.0.0.8"]]


# --- what is refused ------------------------------------------------------------------------------------------------


async def test_another_class_is_refused_and_reported() -> None:
    async with serving() as served:
        message = await served.udp("version.bind", "TXT", rdclass=dns.rdataclass.CH)

    assert message.rcode() == dns.rcode.REFUSED
    [event] = served.events
    assert event["client"].startswith("127.0.0.1:")
    assert {key: event[key] for key in event if key != "client"} == {
        "name": "version.bind",
        "type": "TXT",
        "decision": "refused",
        "rcode": "REFUSED",
        "reason": "class is not IN",
    }


async def test_malformed_packets_are_reported_and_the_server_goes_on() -> None:
    async with serving() as served:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((served.host, served.udp_port))
            for wire in (b"", b"\x12", b"\x12\x34\x81\x00" + b"\0" * 8, b"\x12\x34\x01\x00" + b"\0" * 65495):
                sock.send(wire)
            sock.setblocking(False)
            reply = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 65535), 2)
        assert answers(await served.udp("a.test")) == ["a.test. 60 IN A 10.0.0.1"]

    assert reply == b"\x12\x34\x81\x01" + b"\0" * 8
    assert [(event["decision"], event["rcode"]) for event in served.events] == [
        ("dropped", ""),
        ("dropped", ""),
        ("dropped", ""),
        ("malformed", "FORMERR"),
    ]


# --- events and logs ------------------------------------------------------------------------------------------------


def answer(zone: Zone, wire: bytes, events: list[Event], **options: Any) -> bytes | PendingAnswer | None:
    return DNSServer(zone, NoLookups(), events.append, **options).answer(wire, CLIENT)


def test_plain_answers_are_reported_only_when_asked_for() -> None:
    zone, events = Zone("10.0.0.1", STATIC), list[Event]()
    names = ["a.test", "db.test"]

    for name in names:
        answer(zone, wire_of(name), events)
    assert events == []
    for name in names:
        answer(zone, wire_of(name), events, reports_every_answer=True)
    answer(zone, dns.message.make_query("a.test", "TYPE65280").to_wire(), events, reports_every_answer=True)

    common = {"client": "192.0.2.7:5353", "rcode": "NOERROR"}
    assert events == [
        {"name": "a.test", "type": "A", "decision": "intercept", **common},
        {"name": "db.test", "type": "A", "decision": "static", **common},
        {"name": "a.test", "type": "TYPE65280", "decision": "empty", **common},
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
    events: list[Event] = []

    DNSServer(Zone("10.0.0.1"), NoLookups(), events.append).answer(b"", address)

    assert events[0]["client"] == text


@pytest.mark.parametrize(
    ("name", "message"), [("a.test", "dns intercept"), ("db.test", "dns static"), ("p.test", "dns passthrough")]
)
def test_every_decision_is_a_debug_line(name: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="iron_proxy.dns")

    answer(Zone("10.0.0.1", STATIC, ["p.test"]), wire_of(name.upper()), [])

    [record] = caplog.records
    assert (record.getMessage(), record.__dict__["fields"]) == (message, {"name": name})


# --- lookups: cap, bugs, the end ------------------------------------------------------------------------------------


async def test_over_the_cap_a_lookup_is_servfail_and_other_answers_go_on() -> None:
    lookups = HeldLookups()
    async with (
        serving(lookups, passthrough=["*.passed.test"], max_lookups=2) as served,
        asyncio.TaskGroup() as clients,
    ):
        held = [clients.create_task(served.udp(f"{i}.passed.test")) for i in range(2)]
        await lookups.wait_for(2)

        assert (await served.udp("3.passed.test")).rcode() == dns.rcode.SERVFAIL
        assert answers(await served.udp("a.test")) == ["a.test. 60 IN A 10.0.0.1"]
        lookups.release.set()

    assert [answers(task.result()) for task in held] == [[f"{i}.passed.test. 60 IN A 10.0.0.9"] for i in range(2)]
    assert served.events[0]["reason"] == "too many lookups at once"


async def test_a_bug_in_a_lookup_leaves_that_question_alone_unanswered(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(BrokenLookups(), passthrough=["p.test"]) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("p.test", 1)) + framed(wire_of("a.test", 2)))

        assert (await read_response(reader)).id == 2
        assert answers(await served.udp("a.test")) == ["a.test. 60 IN A 10.0.0.1"]
        writer.close()

    [record] = caplog.records
    assert (record.getMessage(), record.__dict__["fields"]) == ("dns question failed", {"error": "RuntimeError"})


def test_what_cannot_be_reported_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    def full_disk(event: Event) -> None:
        raise OSError("No space left on device")

    server = DNSServer(Zone("10.0.0.1"), NoLookups(), full_disk, reports_every_answer=True)

    assert server.answer(wire_of("a.test"), CLIENT) is None
    assert [record.getMessage() for record in caplog.records] == ["dns question failed"]


async def test_closing_ends_lookups_and_connections_and_may_be_repeated() -> None:
    lookups = HeldLookups()
    async with serving(lookups, passthrough=["*"]) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("a.test")))
        await lookups.wait_for(1)

        await served.server.aclose()
        await served.server.aclose()

        assert await _rest(reader) == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await served.stream()

    assert [event["reason"] for event in served.events] == ["the server stopped meanwhile"]


async def test_an_exception_of_the_caller_leaves_the_server_as_it_is() -> None:
    with pytest.raises(LookupError):
        async with serving():
            raise LookupError


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), 2)
    except ConnectionResetError:
        return b""


# --- TCP ------------------------------------------------------------------------------------------------------------

TWO_QUESTIONS = framed(wire_of("a.test", 1)) + framed(wire_of("db.test", 2))


@pytest.mark.parametrize("size", [1, 2, 3, 20, 31, len(TWO_QUESTIONS)])
async def test_pipelined_questions_are_answered_however_their_bytes_arrive(size: int) -> None:
    async with serving() as served:
        reader, writer = await served.stream()
        for start in range(0, len(TWO_QUESTIONS), size):
            writer.write(TWO_QUESTIONS[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)

        first, second = await read_response(reader), await read_response(reader)
        writer.close()

    assert (first.id, answers(first)) == (1, ["a.test. 60 IN A 10.0.0.1"])
    assert (second.id, answers(second)) == (2, ["db.test. 60 IN A 10.0.0.7"])


async def test_a_lookup_does_not_hold_up_the_answers_behind_it() -> None:
    lookups = HeldLookups()
    async with serving(lookups, passthrough=["p.test"]) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("p.test", 1)) + framed(wire_of("a.test", 2)))

        first = await read_response(reader)
        lookups.release.set()
        second = await read_response(reader)
        writer.close()

    assert (first.id, second.id) == (2, 1)


async def test_a_client_that_has_closed_its_half_still_gets_its_lookup() -> None:
    lookups = HeldLookups()
    async with serving(lookups, passthrough=["p.test"]) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("p.test")))
        writer.write_eof()
        await lookups.wait_for(1)
        lookups.release.set()

        message = await read_response(reader)
        assert await _rest(reader) == b""
        writer.close()

    assert answers(message) == ["p.test. 60 IN A 10.0.0.9"]


@pytest.mark.parametrize("size", [0, 11, MAX_STREAM_QUERY_BYTES + 1, 65535])
async def test_a_length_that_no_query_has_ends_the_connection(size: int) -> None:
    async with serving() as served:
        reader, writer = await served.stream()
        writer.write(size.to_bytes(2, "big"))

        assert await _rest(reader) == b""
        writer.close()

    assert [event["reason"] for event in served.events] == ["a length that no query has"]


async def test_an_idle_connection_is_closed_even_while_it_dribbles() -> None:
    async with serving(stream_idle_seconds=0.02) as served:
        reader, writer = await served.stream()
        writer.write(framed(wire_of("a.test"))[:-1])

        assert await _rest(reader) == b""
        writer.close()
        assert served.server.streams == set()


async def test_connections_over_the_cap_are_dropped() -> None:
    async with serving(max_streams=1) as served:
        first_reader, first = await served.stream()
        first.write(framed(wire_of("a.test")))
        await read_response(first_reader)

        second_reader, second = await served.stream()
        assert await _rest(second_reader) == b""
        first.write(framed(wire_of("a.test")))
        assert answers(await read_response(first_reader)) == ["a.test. 60 IN A 10.0.0.1"]
        first.close()
        second.close()

    assert [event["reason"] for event in served.events] == ["too many connections"]


async def test_a_client_that_reads_nothing_is_read_no_further() -> None:
    flood = framed(wire_of("a.test")) * 1000
    async with serving(stream_idle_seconds=0.3) as served:
        reader, writer = await served.stream()
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # the client's side stops reading on purpose

        for _ in range(2000):  # some 50 MB of answers, far beyond what the kernel keeps for both
            writer.write(flood)
            if writer.transport.get_write_buffer_size() > 1 << 20:
                break
            await asyncio.sleep(0)

        assert writer.transport.get_write_buffer_size() > 0
        writer.transport.abort()


# --- datagram edges -------------------------------------------------------------------------------------------------


async def test_a_lookup_that_ends_after_the_socket_has_closed_sends_nothing() -> None:
    lookups = HeldLookups()
    async with serving(lookups, passthrough=["p.test"]) as served:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(wire_of("p.test"), (served.host, served.udp_port))
            await lookups.wait_for(1)
        for endpoint in served.server._datagram_endpoints:
            endpoint.close()
        lookups.release.set()
        while not served.events:
            await asyncio.sleep(0)

    assert [event["decision"] for event in served.events] == ["passthrough"]


class RecordingTransport(asyncio.DatagramTransport):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[bytes, Any]] = []

    def sendto(self, data: Any, addr: Any = None) -> None:
        self.sent.append((data, addr))


def datagram_protocol() -> tuple[Any, RecordingTransport]:
    from iron_proxy.dns.server import _Datagrams

    events: list[Event] = []
    protocol, transport = _Datagrams(DNSServer(Zone("10.0.0.1"), NoLookups(), events.append)), RecordingTransport()
    protocol.connection_made(transport)
    return protocol, transport


def test_questions_are_dropped_while_answers_do_not_leave() -> None:
    protocol, transport = datagram_protocol()

    protocol.pause_writing()
    protocol.datagram_received(wire_of("a.test"), CLIENT)
    assert transport.sent == []
    protocol.resume_writing()
    protocol.datagram_received(wire_of("a.test"), CLIENT)
    assert len(transport.sent) == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (RuntimeError("foreign text"), "RuntimeError"),
    ],
    ids=["of the system", "foreign"],
)
def test_a_write_that_fails_is_an_error_line(error: Exception, text: str, caplog: pytest.LogCaptureFixture) -> None:
    protocol, _ = datagram_protocol()

    protocol.error_received(error)

    [record] = caplog.records
    assert (record.getMessage(), record.__dict__["fields"]) == ("dns write failed", {"error": text})


# --- whatever arrives -----------------------------------------------------------------------------------------------

_ZONE = Zone("10.0.0.1", STATIC, ["*.passed.test"])
_SHAPES: Sequence[Callable[[bytes], bytes]] = [
    bytes,
    lambda tail: b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + tail,
    lambda tail: b"\x12\x34\x01\x00\0\1\0\0\0\0\0\1\x01a\0\0\1\0\1\0\0\x29" + tail,
]


@given(st.sampled_from(_SHAPES), st.binary(max_size=700))
def test_random_bytes_never_raise_and_never_make_a_long_answer(shape: Callable[[bytes], bytes], tail: bytes) -> None:
    wire, events = shape(tail), list[Event]()

    reply = answer(_ZONE, wire, events, reports_every_answer=True)

    if isinstance(reply, bytes):
        assert len(reply) <= min(1232, max(2 * len(wire), 12))
    if isinstance(reply, PendingAnswer):
        assert events == []
    else:
        assert [event["decision"] == "dropped" for event in events] == [reply is None]
    assert reply is None or not wire[2] & 0x80
