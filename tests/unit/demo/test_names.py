import socket
from collections.abc import Iterator

import dns.message
import dns.rcode
import pytest

from iron_proxy.demo.names import DemoNames
from iron_proxy.demo.routes import look_up


@pytest.fixture
def names() -> Iterator[DemoNames]:
    with DemoNames(["httpbin.org"]) as running:
        yield running


def ask(names: DemoNames, packet: bytes) -> dns.message.Message:
    host, _, port = names.address.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.sendto(packet, (host, int(port)))
        return dns.message.from_wire(sock.recv(4096))


def test_a_known_name_is_on_loopback(names: DemoNames) -> None:
    addresses = look_up("HTTPbin.org", int(names.address.partition(":")[2]))

    assert addresses == ("127.0.0.1",)


def test_a_known_name_has_no_other_records(names: DemoNames) -> None:
    response = ask(names, dns.message.make_query("httpbin.org", "AAAA").to_wire())

    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])


def test_an_unknown_name_does_not_exist(names: DemoNames) -> None:
    response = ask(names, dns.message.make_query("elsewhere.test", "A").to_wire())

    assert response.rcode() == dns.rcode.NXDOMAIN


def test_what_was_looked_up_is_remembered_once_each(names: DemoNames) -> None:
    for name, kind in (("httpbin.org", "A"), ("httpbin.org", "AAAA"), ("elsewhere.test", "A")):
        ask(names, dns.message.make_query(name, kind).to_wire())

    assert names.looked_up == ("httpbin.org", "elsewhere.test")


@pytest.mark.parametrize("packet", [b"", b"no question", bytes(12)], ids=["empty", "garbage", "no question"])
def test_what_is_no_question_gets_no_answer(names: DemoNames, packet: bytes) -> None:
    host, _, port = names.address.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(packet, (host, int(port)))

    response = ask(names, dns.message.make_query("httpbin.org", "A").to_wire())

    assert len(response.answer) == 1
    assert names.looked_up == ("httpbin.org",)
