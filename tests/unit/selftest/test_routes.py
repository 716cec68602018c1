import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from iron_proxy.config.proxy_urls import parse_proxy_url
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.routes import ask, connect_tunnel, plain, request, socks_domain, socks_tunnel, tunnel
from iron_proxy.selftest.trial import Refused

RUN = "0123456789abcdef"
DENIED = Endpoint("http", "denied.test", 8080)
PATIENCE = 10.0


@contextmanager
def scripted_proxy(*script: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that says the next line of its script for each thing that it hears."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                for line in script:
                    heard.append(client.recv(4096))
                    client.sendall(line)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        thread.join(PATIENCE)


def place_with(url: str) -> Place:
    return Place(RUN, proxy=parse_proxy_url(url), timeout=PATIENCE)


def test_plain_http_goes_to_the_proxy_in_absolute_form_with_its_login() -> None:
    with scripted_proxy(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as (port, heard):
        answer = ask(place_with(f"http://me:pw@127.0.0.1:{port}"), DENIED, b"/x", b"A: b\r\n")

    assert answer.startswith(b"HTTP/1.1 403")
    assert heard[0].split(b"\r\n")[:4] == [
        b"GET http://denied.test:8080/x HTTP/1.1",
        b"Host: denied.test:8080",
        b"A: b",
        b"Proxy-Authorization: Basic bWU6cHc=",
    ]


def test_a_tunnel_that_is_refused_says_with_what() -> None:
    with (
        scripted_proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as (port, _),
        pytest.raises(Refused, match="refused with 407"),
    ):
        connect_tunnel(place_with(f"http://127.0.0.1:{port}"), b"a:443", b"b:443")


def test_what_follows_the_answer_to_connect_belongs_to_the_tunnel() -> None:
    with (
        scripted_proxy(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nSSH-2.0-x") as (port, heard),
        connect_tunnel(place_with(f"http://127.0.0.1:{port}"), b"a:22", b"b:22") as sock,
    ):
        assert sock.recv(100) == b"SSH-2.0-x"

    assert heard[0].startswith(b"CONNECT a:22 HTTP/1.1\r\nHost: b:22\r\n")


@pytest.mark.parametrize(
    "reply",
    [
        b"\x05\0\0\x01" + bytes(6),
        b"\x05\0\0\x04" + bytes(18),
        b"\x05\0\0\x03\x04name" + bytes(2),
    ],
    ids=["IPv4", "IPv6", "name"],
)
def test_socks_replies_of_every_form_are_read_to_their_end(reply: bytes) -> None:
    with (
        scripted_proxy(b"\x05\0", reply + b"hello") as (port, heard),
        tunnel(place_with(f"socks5h://127.0.0.1:{port}"), "denied.test", 80) as sock,
    ):
        assert sock.recv(100) == b"hello"

    assert heard[1] == socks_domain(b"denied.test", 80) == b"\x05\x01\x00\x03\x0bdenied.test\x00\x50"


def test_socks_takes_a_password() -> None:
    with (
        scripted_proxy(b"\x05\x02", b"\x01\0", b"\x05\x02\0\x01" + bytes(6)) as (port, heard),
        pytest.raises(Refused, match="code 2"),
    ):
        socks_tunnel(place_with(f"socks5h://me:pw@127.0.0.1:{port}"), socks_domain(b"a", 1))

    assert heard[1] == b"\x01\x02me\x02pw"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ((b"\x05\xff",), "wants a password"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "does not speak SOCKS5"),
        ((b"",), "closed the connection"),
    ],
)
def test_a_proxy_without_our_socks_is_a_refusal(script: tuple[bytes, ...], sentence: str) -> None:
    with scripted_proxy(*script) as (port, _), pytest.raises(Refused, match=sentence):
        socks_tunnel(place_with(f"socks5h://127.0.0.1:{port}"), socks_domain(b"a", 1))


def test_without_a_proxy_the_endpoint_itself_is_connected_to() -> None:
    with scripted_proxy(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, heard):
        ask(Place(RUN, timeout=PATIENCE), Endpoint("http", "127.0.0.1", port), b"/x")

    assert heard[0].startswith(b"GET /x HTTP/1.1\r\n")


def test_socks_is_no_absolute_form() -> None:
    with (
        scripted_proxy(b"\x05\0", b"\x05\0\0\x01" + bytes(6)) as (port, _),
        plain(place_with(f"socks5h://127.0.0.1:{port}"), "denied.test", 80) as (_, prefix),
    ):
        assert prefix == b""


def test_without_a_proxy_there_is_none_to_ask() -> None:
    with pytest.raises(Refused, match="no proxy is named here"):
        connect_tunnel(Place(RUN), b"a:443", b"a:443")


def test_bytes_go_out_as_they_are() -> None:
    assert request(b"/\0", b"\xff", b"", b"TRACE") == b"TRACE /\0 HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n\r\n"
