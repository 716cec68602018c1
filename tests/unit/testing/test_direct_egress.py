import socket
from collections.abc import Iterator

import pytest

from iron_proxy.testing.direct_egress import DirectEgress, DirectWatch, EgressRefused


@pytest.fixture
def watch() -> Iterator[DirectWatch]:
    watch = DirectWatch(lambda host, port: (host, port) == ("192.0.2.1", 53), lambda host: host == "a.test")
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def test_a_datagram_is_refused_before_it_is_sent(watch: DirectWatch) -> None:
    refusal = r"a direct connection to 192\.0\.2\.2 \(port 53\)"
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        pytest.raises(EgressRefused, match=refusal),
    ):
        sender.sendto(b"x", ("192.0.2.2", 53))

    assert watch.take_seen() == [DirectEgress("192.0.2.2", 53, False, False)]
    assert watch.take_seen() == []


def test_loopback_is_nobodys_business(watch: DirectWatch) -> None:
    for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0"):
        watch.check_address((host, 80))
    watch.check_name("localhost", 80)

    assert watch.take_seen() == []


def test_a_lookup_is_refused_by_name(watch: DirectWatch) -> None:
    watch.check_name("A.test.", "443")
    with pytest.raises(EgressRefused, match=r"the lookup of b\.test \(port unknown\)"):
        socket.getaddrinfo("b.test", None)

    assert watch.take_seen() == [DirectEgress("a.test", 443, True, True), DirectEgress("b.test", 0, True, False)]


def test_a_watch_that_has_stopped_refuses_nothing(watch: DirectWatch) -> None:
    watch.stop()
    socket.getaddrinfo("192.0.2.9", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", 9))

    assert watch.take_seen() == []
    assert "look_up" not in repr(socket.getaddrinfo)
