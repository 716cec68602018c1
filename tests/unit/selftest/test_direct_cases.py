import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.selftest_world import ADDRESS, CLOSED, leaky_place, outside_of, running_canary

from iron_proxy.selftest.direct_cases import echo_requests, is_public_answer, quic, straight_ipv6, straight_tcp
from iron_proxy.selftest.place import Endpoint, Outside, Place
from iron_proxy.selftest.trial import Trial

RUN = "0123456789abcdef"
PATIENCE = 10.0


@pytest.fixture
def pings(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The addresses that answer."""
    answering: set[str] = set()

    def ping(host: str, payload: bytes, timeout: float) -> bytes:
        return payload if host in answering else b""

    monkeypatch.setattr("iron_proxy.selftest.direct_cases.ping", ping)
    return answering


def place_at(address: str) -> Place:
    return Place(RUN, denied=(Endpoint("http", address, 80),), outside=Outside(nobody="192.0.2.1"))


def test_an_answered_ping_got_out(pings: set[str]) -> None:
    pings.add("203.0.113.9")
    trial = Trial(place_at("203.0.113.9"), "direct-icmp")

    echo_requests(trial.place, trial)

    assert trial.proofs == ["203.0.113.9 answered a ping"]


def test_a_machine_that_answers_for_nobody_answers_for_all(pings: set[str]) -> None:
    pings.update({"203.0.113.9", "192.0.2.1"})
    trial = Trial(place_at("203.0.113.9"), "direct-icmp")

    echo_requests(trial.place, trial)

    assert trial.proofs == []
    assert "answers pings to every address by itself" in trial.notes[-1]


def test_ipv6_is_tried_where_an_address_is_given_and_else_not_tested() -> None:
    trial = Trial(place_at("203.0.113.9"), "direct-ipv6")

    straight_ipv6(trial.place, trial)

    assert "-against http://[ADDRESS]" in trial.obstacle


def test_an_ipv6_address_that_answers_got_out(tmp_path: Path) -> None:
    with running_canary() as canary, socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        probe.listen()
        threading.Thread(target=_relay_one, args=(probe, canary.port), daemon=True).start()
        place = Place(RUN, denied=(Endpoint("http", "::1", probe.getsockname()[1]),), timeout=PATIENCE)
        trial = Trial(place, "direct-ipv6")

        straight_ipv6(place, trial)

    assert [each.token for each in canary.arrivals] == [f"ipst-{RUN}-direct-ipv6-1-end"]
    assert not trial.obstacle


def _relay_one(server: socket.socket, port: int) -> None:
    visitor, _ = server.accept()
    with visitor, socket.create_connection((ADDRESS, port)) as canary:
        canary.sendall(visitor.recv(4096))
        visitor.sendall(canary.recv(4096))


@pytest.fixture
def quic_server() -> Iterator[int]:
    """The port of a server that knows another version of QUIC than it is asked for (RFC 9000 section 17.2.1)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((ADDRESS, 0))

        def answer() -> None:
            packet, client = sock.recvfrom(2000)
            assert len(packet) == 1200
            length = packet[5]
            theirs, ours = packet[6 : 6 + length], packet[7 + length : 7 + length + packet[6 + length]]
            reply = b"\x80\0\0\0\0" + bytes([len(ours)]) + ours + bytes([len(theirs)]) + theirs + b"\0\0\0\x01"
            sock.sendto(reply, client)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield sock.getsockname()[1]
        thread.join(PATIENCE)


def test_a_list_of_versions_proves_that_quic_got_out(quic_server: int) -> None:
    outside = Outside(addresses=(ADDRESS,), quic_port=quic_server)
    trial = Trial(Place(RUN, timeout=PATIENCE, outside=outside), "direct-quic")

    quic(trial.place, trial)

    assert trial.proofs == [f"{ADDRESS} answered in QUIC"]


def test_without_endpoints_the_public_addresses_are_tried(tmp_path: Path) -> None:
    trial = Trial(Place(RUN, outside=Outside(addresses=(CLOSED,))), "direct-tcp")

    straight_tcp(trial.place, trial)

    assert trial.notes == [f"TCP {CLOSED} port 80: connection refused", f"TCP {CLOSED} port 443: connection refused"]


@pytest.mark.parametrize(
    ("answer", "is_public"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n<html><title>Example Domain</title>", True),
        (b"HTTP/1.1 301 Moved\r\nServer: x\r\nCF-RAY: 1-LHR\r\n\r\n", True),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nexample.com is denied", False),
        (b"", False),
    ],
)
def test_public_answers_are_known_by_what_only_they_say(answer: bytes, is_public: bool) -> None:
    assert is_public_answer(answer) is is_public


def test_an_address_is_tried_once_for_each_kind_of_packet(tmp_path: Path) -> None:
    with running_canary() as canary:
        endpoints = tuple(Endpoint(scheme, ADDRESS, canary.port) for scheme in ("http", "https"))
        trial = Trial(Place(RUN, denied=endpoints, outside=outside_of(canary), timeout=PATIENCE), "direct-quic")

        quic(trial.place, trial)

    assert len(trial.notes) == 1


def test_a_leaky_place_has_two_schemes(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        tls = Endpoint("https", ADDRESS, place.denied[0].port)
        trial = Trial(Place(RUN, denied=(tls,), timeout=PATIENCE), "direct-tcp")
        straight_tcp(trial.place, trial)

    assert trial.notes == [f"TCP {ADDRESS} port {tls.port}: status 200"]
