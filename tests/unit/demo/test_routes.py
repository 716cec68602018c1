import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.message
import pytest

from iron_proxy.demo import routes
from iron_proxy.demo.routes import RouteFailed, look_up, open_connect_tunnel, open_socks5_tunnel

Script = list[tuple[bytes, bytes]]


@contextmanager
def listener(script: Script) -> Iterator[int]:
    """A proxy that reads what it expects and answers as told, then closes. Gives its port."""

    def serve(sock: socket.socket) -> None:
        connection, _ = sock.accept()
        with connection:
            for expected, answer in script:
                got = b""
                while len(got) < len(expected) and (piece := connection.recv(len(expected) - len(got))):
                    got += piece
                connection.sendall(answer if got == expected else b"?" * 10)

    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=serve, args=(sock,))
        thread.start()
        yield sock.getsockname()[1]
        thread.join()


CONNECT = b"CONNECT httpbin.org:4443 HTTP/1.1\r\nHost: httpbin.org:4443\r\n\r\n"
GREETING = b"\x05\x01\x00"
REQUEST = b"\x05\x01\x00\x03\x0bhttpbin.org\x11\x5b"
GRANTED = b"\x05\x00\x00\x01" + bytes(6)
REFUSED = b"\x05\x02\x00\x01" + bytes(6)


@pytest.mark.parametrize(
    ("open_tunnel", "script"),
    [
        (open_connect_tunnel, [(CONNECT, b"HTTP/1.1 200 Connection Established\r\n\r\nTLS")]),
        (open_socks5_tunnel, [(GREETING, b"\x05\x00"), (REQUEST, GRANTED + b"TLS")]),
    ],
    ids=["CONNECT", "SOCKS5"],
)
def test_a_tunnel_starts_right_behind_the_handshake(
    open_tunnel: Callable[[int, str, int], socket.socket], script: Script
) -> None:
    with listener(script) as port, open_tunnel(port, "httpbin.org", 4443) as sock:
        assert sock.recv(3) == b"TLS"


@pytest.mark.parametrize(
    ("open_tunnel", "script", "reason"),
    [
        (open_connect_tunnel, [(CONNECT, b"HTTP/1.1 403 Forbidden\r\n\r\n")], "answered with: HTTP/1.1 403 Forbidden"),
        (open_connect_tunnel, [(CONNECT, b"HTTP/1.1 200")], "closed the connection"),
        (open_socks5_tunnel, [(GREETING, b"\x05\xff")], "greeting was refused"),
        (open_socks5_tunnel, [(GREETING, b"\x05\x00"), (REQUEST, REFUSED)], "refused with code 2"),
        (open_socks5_tunnel, [(GREETING, b"\x05")], "closed the connection"),
    ],
    ids=["CONNECT refused", "CONNECT cut", "no method", "SOCKS5 refused", "SOCKS5 cut"],
)
def test_a_tunnel_that_is_refused_says_how(
    open_tunnel: Callable[[int, str, int], socket.socket], script: Script, reason: str
) -> None:
    with listener(script) as port, pytest.raises(RouteFailed, match=reason):
        open_tunnel(port, "httpbin.org", 4443)


@contextmanager
def dns_answering(make_answer: Callable[[bytes], bytes]) -> Iterator[int]:
    def serve(sock: socket.socket) -> None:
        packet, client = sock.recvfrom(4096)
        sock.sendto(make_answer(packet), client)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=serve, args=(sock,))
        thread.start()
        yield sock.getsockname()[1]
        thread.join()


def empty_answer(packet: bytes) -> bytes:
    return dns.message.make_response(dns.message.from_wire(packet)).to_wire()


def test_a_name_without_addresses_gives_none() -> None:
    with dns_answering(empty_answer) as port:
        assert look_up("httpbin.org", port) == ()


@pytest.mark.parametrize(
    ("make_answer", "reason"),
    [
        (lambda packet: b"garbage", "gave no answer"),
        (lambda packet: b"\0\0" + empty_answer(packet)[2:], "answered another question"),
    ],
    ids=["garbage", "another id"],
)
def test_what_is_no_answer_is_said(make_answer: Callable[[bytes], bytes], reason: str) -> None:
    with dns_answering(make_answer) as port, pytest.raises(RouteFailed, match=reason):
        look_up("httpbin.org", port)


def test_a_silent_dns_server_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "STEP_TIMEOUT", 0.01)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(RouteFailed, match="no answer"):
            look_up("httpbin.org", silent.getsockname()[1])
