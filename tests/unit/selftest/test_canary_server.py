import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.selftest_world import ADDRESS, Canary, running_canary

from iron_proxy.certs.generation import generate_ca
from iron_proxy.errors import StartupError
from iron_proxy.selftest.arrivals import fingerprint, marked_in, token_of
from iron_proxy.selftest.canary_server import CanaryServer
from iron_proxy.selftest.questions import framed, question
from iron_proxy.selftest.wire import ask_datagram, converse, open_tcp, start_tls

TOKEN = token_of("0123456789abcdef", "direct-tcp", 1)
PATIENCE = 10.0


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    with running_canary() as running:
        yield running


def say(canary: Canary, data: bytes) -> bytes:
    with open_tcp(ADDRESS, canary.port, PATIENCE) as sock:
        return converse(sock, data, PATIENCE)


@pytest.mark.slow
def test_http_text_and_dns_are_heard_on_one_port(canary: Canary) -> None:
    request = b"GET /" + TOKEN + b" HTTP/1.1\r\nHost: denied.test\r\n\r\n"
    query = question(f"{TOKEN.decode()}.selftest.invalid", "TXT")

    for data in (request, b"SSH-2.0-" + TOKEN + b"\r\n", framed(query)):
        assert [each.token for each in marked_in(say(canary, data))] == [TOKEN.decode()]


def test_tls_is_told_by_its_first_byte_and_its_name_is_kept(canary: Canary) -> None:
    with open_tcp(ADDRESS, canary.port, PATIENCE) as sock, start_tls(sock, "denied.test") as tls:
        answer = converse(tls, b"GET /" + TOKEN + b" HTTP/1.1\r\nHost: a\r\n\r\n", PATIENCE)
        shown = fingerprint(tls.getpeercert(binary_form=True) or b"")

    assert [(each.transport, each.server_name) for each in marked_in(answer)] == [("tls", "denied.test")]
    assert shown == canary.server.canary.certificate


def test_a_token_in_a_server_name_has_arrived_before_the_handshake_ends(canary: Canary) -> None:
    name = token_of("0123456789abcdef", "fronted-server-name", 7).decode()

    with open_tcp(ADDRESS, canary.port, PATIENCE) as sock, start_tls(sock, f"{name}.denied.test"):
        assert name in {each.token for each in canary.arrivals}


def test_datagrams_are_answered_with_no_more_than_they_have(canary: Canary) -> None:
    long, short = TOKEN.ljust(512, b"."), TOKEN

    assert [each.token for each in marked_in(ask_datagram(ADDRESS, canary.port, long, PATIENCE))] == [TOKEN.decode()]
    assert len(ask_datagram(ADDRESS, canary.port, short, PATIENCE)) == len(short)


def test_a_second_request_on_a_connection_is_heard_where_an_upgrade_was_refused(canary: Canary) -> None:
    with open_tcp(ADDRESS, canary.port, PATIENCE) as sock:
        first = converse(sock, b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n", PATIENCE)
        second = converse(sock, b"GET /" + TOKEN + b" HTTP/1.1\r\nHost: a\r\n\r\n", PATIENCE)

    assert first.startswith(b"HTTP/1.1 426")
    assert len(list(marked_in(second))) == 1


def test_a_port_in_use_is_told_and_nothing_is_left_open() -> None:
    made = generate_ca("canary", 1, "p256")
    with socket.create_server((ADDRESS, 0)) as taken:
        port = taken.getsockname()[1]
        server = CanaryServer([(ADDRESS, 0), (ADDRESS, port)], made.certificate_pem, made.key_pem, print)

        with pytest.raises(StartupError, match=f"cannot listen on {ADDRESS}:{port}: .*in use"):
            server.__enter__()


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_every_address_of_both_families_can_be_heard_on_side_by_side() -> None:
    made = generate_ca("canary", 1, "p256")
    files = (made.certificate_pem, made.key_pem, print)
    with CanaryServer([("0.0.0.0", 0)], *files) as first:
        port = first.canary.listening[0][1]
        with CanaryServer([("::", port)], *files) as second:
            assert second.canary.listening == (("tcp", port), ("udp", port))


def test_a_key_of_another_certificate_is_told() -> None:
    with pytest.raises(StartupError, match="certificate and key cannot be used"):
        CanaryServer([], generate_ca("a", 1, "p256").certificate_pem, generate_ca("b", 1, "p256").key_pem, print)
