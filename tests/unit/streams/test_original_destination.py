"""What the kernel knows about where a connection was going. Its own translations are met in tests/end_to_end."""

import socket
import struct
from typing import Any, cast

import pytest
from tests.fakes.loopback import closed, connected_streams

from iron_proxy.messages.authority import Target
from iron_proxy.streams.original_destination import destination_of_redirect, destination_of_tproxy
from iron_proxy.streams.socket_stream import SocketStream


class Accepted:
    """What a stream tells about its socket, and what the socket answers."""

    def __init__(self, sockname: object, answers: dict[tuple[int, int], bytes] | None = None) -> None:
        self._sockname, self._answers = sockname, answers or {}

    def extra(self, name: str) -> Any:
        return self._sockname if name == "sockname" else self

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        if (level, option) not in self._answers:
            raise FileNotFoundError(2, "No such file or directory")
        return self._answers[level, option][:size]


def stream(sockname: object, answers: dict[tuple[int, int], bytes] | None = None) -> SocketStream:
    return cast(SocketStream, Accepted(sockname, answers))


def sockaddr_in(host: str, port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)


def sockaddr_in6(host: str, port: int) -> bytes:
    head = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 7)
    return head + socket.inet_pton(socket.AF_INET6, host) + bytes(4)


@pytest.mark.parametrize(
    ("sockname", "target"),
    [
        (("192.0.2.7", 80), Target("192.0.2.7", 80, True)),
        (("::ffff:192.0.2.7", 443, 0, 0), Target("192.0.2.7", 443, True)),
        (("2001:db8::7", 443, 0, 0), Target("2001:db8::7", 443, True)),
        (("fe80::7%eth0", 443, 0, 2), Target("fe80::7", 443, True)),
    ],
    ids=["IPv4", "IPv4 on a dual-stack socket", "IPv6", "with a zone"],
)
def test_tproxy_leaves_it_in_the_sockets_own_address(sockname: object, target: Target) -> None:
    assert destination_of_tproxy(stream(sockname)) == target


@pytest.mark.parametrize(
    ("sockname", "answers", "target"),
    [
        (("127.0.0.1", 80), {(0, 80): sockaddr_in("192.0.2.7", 8080)}, Target("192.0.2.7", 8080, True)),
        (
            ("::ffff:127.0.0.1", 80, 0, 0),
            {(0, 80): sockaddr_in("192.0.2.7", 8080), (41, 80): sockaddr_in6("2001:db8::bad", 1)},
            Target("192.0.2.7", 8080, True),
        ),
        (("::1", 443, 0, 0), {(41, 80): sockaddr_in6("2001:db8::7", 443)}, Target("2001:db8::7", 443, True)),
    ],
    ids=["IPv4", "IPv4 on a dual-stack socket", "IPv6"],
)
def test_redirect_keeps_it_in_the_connections_entry(
    sockname: object, answers: dict[tuple[int, int], bytes], target: Target
) -> None:
    assert destination_of_redirect(stream(sockname, answers)) == target


@pytest.mark.parametrize("sockname", [("127.0.0.1", 80), ("::1", 80, 0, 0), None], ids=["IPv4", "IPv6", "gone"])
def test_what_was_not_redirected_has_none(sockname: object) -> None:
    assert destination_of_redirect(stream(sockname)) is None


def test_a_socket_that_is_gone_has_no_address() -> None:
    assert destination_of_tproxy(stream(None)) is None


async def test_a_real_socket_has_its_own_address_and_no_redirection() -> None:
    client, accepted = await connected_streams()

    host, port = accepted.extra("sockname")[:2]
    assert destination_of_tproxy(accepted) == Target(host, port, True)
    # Where this machine tracks connections, one that came straight yields the listener itself.
    assert destination_of_redirect(accepted) in (None, Target(host, port, True))
    await closed(client, accepted)
