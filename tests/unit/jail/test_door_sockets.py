import errno
import socket
import struct

import pytest

from iron_proxy.jail.door_sockets import open_door


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.8.7", "::1"])
def test_a_tcp_door_listens_on_every_address_of_both_families(host: str) -> None:
    with open_door(0, is_udp=False) as door:
        assert not door.getblocking()
        port = door.getsockname()[1]
        with socket.create_connection((host, port), 5):
            door.setblocking(True)
            accepted, _ = door.accept()
            accepted.close()


@pytest.mark.parametrize(
    ("family", "host", "reported"),
    [
        (socket.AF_INET, "127.9.8.7", "::ffff:127.9.8.7"),
        (socket.AF_INET6, "::1", "::1"),
    ],
)
def test_a_udp_door_reports_where_a_datagram_was_sent_and_can_answer_from_there(
    family: socket.AddressFamily, host: str, reported: str
) -> None:
    with open_door(0, is_udp=True) as door, socket.socket(family, socket.SOCK_DGRAM) as client:
        door.settimeout(5)
        client.settimeout(5)
        client.connect((host, door.getsockname()[1]))  # takes answers from this address alone
        client.send(b"question")

        content, ancillary, _, sender = door.recvmsg(100, 100)
        door.sendmsg([content], ancillary, 0, sender)

        assert client.recv(100) == b"question"
        level, kind, value = ancillary[0]
        assert (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
        assert socket.inet_ntop(socket.AF_INET6, value[:16]) == reported


@pytest.mark.parametrize("is_udp", [False, True])
def test_without_ipv6_a_door_is_an_ipv4_socket(monkeypatch: pytest.MonkeyPatch, is_udp: bool) -> None:
    real = socket.socket

    def without_ipv6(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6")
        return real(family, kind)

    monkeypatch.setattr(socket, "socket", without_ipv6)

    with open_door(0, is_udp=is_udp) as door:
        assert door.family == socket.AF_INET
        if is_udp:
            with real(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"x", ("127.9.8.7", door.getsockname()[1]))
            door.settimeout(5)
            (_, _, value), *_ = door.recvmsg(100, 100)[1]
            assert socket.inet_ntoa(struct.unpack_from("=i4s4s", value)[2]) == "127.9.8.7"


def test_a_port_in_use_is_an_error() -> None:
    with open_door(0, is_udp=False) as door, pytest.raises(OSError, match="in use"):
        open_door(door.getsockname()[1], is_udp=False)
