"""DNS: answers are functions of the question, nothing leaves but passthrough, and no packet does harm."""

import base64
import socket
import struct

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from tests.conftest import Fresh, Running
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import RunningProxy


def ask(proxy: RunningProxy, name: str, record_type: str = "A", *, tcp: bool = False) -> dns.message.Message:
    """One question over UDP or TCP."""
    host, port = proxy.addresses["dns"]
    query = dns.message.make_query(name, record_type, use_edns=0)
    return (dns.query.tcp if tcp else dns.query.udp)(query, host, 5, port)


def texts(message: dns.message.Message) -> list[str]:
    return [line for rrset in message.answer for line in rrset.to_text().split("\n")]


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("name", ["ok.test", "OtHeR.TeSt", "a.b.c.d.anything.example"])
def test_dns_01_every_name_leads_to_the_proxy(proxy: RunningProxy, name: str, tcp: bool) -> None:
    answer = ask(proxy, name, tcp=tcp)

    assert texts(answer) == [f"{name}. 60 IN A 127.0.0.1"]
    assert answer.flags & dns.flags.AA
    assert answer.question[0].name.to_text() == f"{name}."


@pytest.mark.parametrize("record_type", ["AAAA", "HTTPS", "SVCB", "TXT", "MX", "SRV", "PTR", "NS", "ANY", "NULL"])
def test_dns_01_other_types_are_empty(proxy: RunningProxy, record_type: str) -> None:
    answer = ask(proxy, "ok.test", record_type)

    assert (answer.rcode(), texts(answer)) == (dns.rcode.NOERROR, [])


def test_dns_02_records_come_before_passthrough_before_the_proxy(running: Running, internet: Internet) -> None:
    internet.dns.entries["*.internal.test"] = ["10.9.8.7"]
    proxy = running(
        dns={
            "listen": "127.0.0.1:0",
            "proxy_ip": "127.0.0.1",
            "upstream_resolver": internet.dns.address,
            "passthrough": ["*.INTERNAL.test"],
            "records": [
                {"name": "fixed.internal.test", "type": "A", "value": "10.0.0.5"},
                {"name": "alias.test", "type": "CNAME", "value": "db.internal.test"},
            ],
        }
    )

    assert texts(ask(proxy, "fixed.internal.test"))[0].endswith("IN A 10.0.0.5")
    assert texts(ask(proxy, "db.Internal.test"))[0].endswith("IN A 10.9.8.7")
    assert texts(ask(proxy, "alias.test"))[0].endswith("IN CNAME db.internal.test.")
    assert texts(ask(proxy, "elsewhere.test"))[0].endswith("IN A 127.0.0.1")


def test_dns_03_a_name_carries_nothing_out(proxy: RunningProxy, internet: Internet) -> None:
    before = len(internet.dns.queries)
    host, port = proxy.addresses["dns"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((host, port))
        for number in range(500):
            label = base64.b32encode(b"stolen %d" % number).decode().rstrip("=")
            record_type = ("TXT", "A", "NULL", "CNAME", "ANY")[number % 5]
            sock.send(dns.message.make_query(f"{label}.other.test", record_type).to_wire())
            answer = dns.message.from_wire(sock.recv(4096))
            assert texts(answer) == ([f"{label}.other.test. 60 IN A 127.0.0.1"] if record_type == "A" else [])

    assert len(internet.dns.queries) == before


HEADER = struct.Struct("!HHHHHH")
QUESTION = b"\x02ok\x04test\0\0\x01\0\x01"


def packet(flags: int = 0x0100, questions: int = 1, body: bytes = QUESTION, additional: int = 0) -> bytes:
    return HEADER.pack(0xBEEF, flags, questions, 0, 0, additional) + body


OPT = b"\0\0\x29\x10\0\0\0\0\0\0\0"
PACKETS = {
    "0 bytes": b"",
    "1 byte": b"\0",
    "11 bytes": b"\0" * 11,
    "header only": packet(questions=1, body=b""),
    "no question": packet(questions=0, body=b""),
    "two questions": packet(questions=2, body=QUESTION * 2),
    "65535 questions": packet(questions=65535),
    "pointer to itself": packet(body=b"\xc0\x0c\0\x01\0\x01"),
    "pointer forward": packet(body=b"\xc0\x20\0\x01\0\x01"),
    "label of 64": packet(body=b"\x40" + b"a" * 64 + b"\0\0\x01\0\x01"),
    "name of 256": packet(body=(b"\x3f" + b"a" * 63) * 4 + b"\0\0\x01\0\x01"),
    "truncated question": packet(body=QUESTION[:-3]),
    "class CH": packet(body=b"\x07version\x04bind\0\0\x10\0\x03"),
    "AXFR": packet(body=b"\x02ok\x04test\0\0\xfc\0\x01"),
    "OPT twice": packet(body=QUESTION + OPT * 2, additional=2),
    "TSIG garbage": packet(body=QUESTION + b"\0\0\xfa\0\xff\0\0\0\0\0\x05\x01\x02\x03\x04\x05", additional=1),
    **{f"opcode {opcode}": packet(flags=opcode << 11) for opcode in range(1, 16)},
    "a huge packet": packet(body=QUESTION + b"\xff" * 60_000),
}


@pytest.mark.parametrize("wire", [pytest.param(wire, id=name) for name, wire in PACKETS.items()])
def test_dns_05_no_packet_does_harm(proxy: RunningProxy, wire: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(proxy.addresses["dns"])
        sock.send(wire)
        sock.send(dns.message.make_query("ok.test", "A", id=1).to_wire())
        answers = [sock.recv(65_535)]
        while answers[-1][:2] != b"\0\x01":
            answers.append(sock.recv(65_535))

    assert len(answers) <= 2
    assert all(len(answer) <= max(512, len(wire)) for answer in answers)
    for answer in answers[:-1]:
        assert answer[:2] == wire[:2]
        assert answer[3] & 0x0F in (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.REFUSED, dns.rcode.BADVERS & 15, 0)


def test_dns_05_an_answer_is_not_answered(proxy: RunningProxy) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(proxy.addresses["dns"])
        sock.send(packet(flags=0x8180))
        sock.send(dns.message.make_query("ok.test", "A", id=1).to_wire())

        assert sock.recv(512)[:2] == b"\0\x01"


def test_dns_12_a_flood_is_answered_and_does_not_fill_the_log(fresh_proxy: Fresh) -> None:
    """5,000 refused questions from 100 ports: each is answered, a few hundred are recorded, the rest is counted."""
    proxy = fresh_proxy()
    refused = dns.message.make_query("ok.test", "AXFR", id=7).to_wire()
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect(proxy.addresses["dns"])
            for _ in range(50):
                sock.send(refused)
                answer = sock.recv(512)
                assert (answer[3] & 0x0F, len(answer) <= 2 * len(refused)) == (dns.rcode.REFUSED, True)
    assert texts(ask(proxy, "ok.test"))
    proxy.ask_to_stop()
    proxy.wait_for_exit()

    events = [line for line in proxy.parsed() if line.get("event") == "dns"]
    omitted = [event["dns"].get("omitted", 0) for event in events]
    assert sum(omitted) + omitted.count(0) == 5000
    assert len(events) < 300


def test_a_name_that_no_rule_allows_is_not_even_a_channel_to_the_proxy(running: Running, internet: Internet) -> None:
    proxy = running(
        dns={"listen": "127.0.0.1:0", "proxy_ip": "127.0.0.1", "upstream_resolver": internet.dns.address,
             "mode": "strict"}
    )  # fmt: skip

    answers = {name: ask(proxy, name) for name in ("ok.test", "a.wild.test", "rules.test", "other.test", "test")}

    found = {name: dns.rcode.to_text(answer.rcode()) for name, answer in answers.items()}
    assert found == {
        "ok.test": "NOERROR", "a.wild.test": "NOERROR", "rules.test": "NOERROR",
        "other.test": "NXDOMAIN", "test": "NXDOMAIN",
    }  # fmt: skip
    assert [event["host"] for event in proxy.wait_for_events(2)] == ["other.test", "test"]


def test_a_tunnel_through_a_passthrough_wildcard_runs_dry(running: Running, internet: Internet) -> None:
    internet.dns.entries["*.tunnel.test"] = ["10.0.0.9"]
    proxy = running(
        dns={"listen": "127.0.0.1:0", "proxy_ip": "127.0.0.1", "upstream_resolver": internet.dns.address,
             "passthrough": ["*.tunnel.test"], "lookups_per_minute": 10}
    )  # fmt: skip
    before = len(internet.dns.queries)

    rcodes = [ask(proxy, f"{number}.tunnel.test").rcode() for number in range(30)]
    long_name = ".".join(["x" * 60] * 3) + ".tunnel.test"

    assert rcodes.count(dns.rcode.NOERROR) in (10, 11, 12)  # what a slow machine's seconds give back is little
    assert set(rcodes[12:]) == {dns.rcode.REFUSED}
    assert ask(proxy, long_name).rcode() == dns.rcode.REFUSED
    assert all(ask(proxy, "x.tunnel.test", kind).answer == [] for kind in ("TXT", "NULL", "MX", "CNAME", "SRV", "ANY"))
    assert len(internet.dns.queries) - before == rcodes.count(dns.rcode.NOERROR)
    assert {event["dns"]["rcode"] for event in proxy.events()} == {"NOERROR", "REFUSED"}
