"""
The ways that a program in this place has: plain HTTP, a tunnel, SOCKS5, through the proxy that it is told of, or just
out, where connections are taken on the way.

Host names and targets are bytes that go out as they are, however malformed: that is what they are for.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.trial import Refused
from iron_proxy.selftest.wire import converse, open_tcp, start_tls, status_of

# The head of an answer to CONNECT; real ones have less than a tenth.
_MAX_CONNECT_HEAD: Final = 8192

# From what absolute request targets begin with (b"" for none), and login fields, to the bytes of a request.
RawRequest = Callable[[bytes, bytes], bytes]


def request(target: bytes, host: bytes, fields: bytes = b"", method: bytes = b"GET") -> bytes:
    """A request without body; `fields` are whole lines."""
    return method + b" " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + fields + b"Connection: close\r\n\r\n"


@contextmanager
def plain(place: Place, host: str, port: int) -> Iterator[tuple[socket.socket, bytes]]:
    """A connection that takes plain HTTP for an endpoint, and what an absolute request target begins with, or b""."""
    if place.proxy is None:
        sock, prefix = open_tcp(host, port, place.timeout), b""
    elif place.proxy.is_socks:
        sock, prefix = socks_tunnel(place, socks_domain(host.encode(), port)), b""
    else:
        sock, prefix = _to_proxy(place), f"http://{Endpoint('http', host, port).authority}".encode()
    with sock:
        yield sock, prefix


@contextmanager
def tunnel(place: Place, host: str, port: int) -> Iterator[socket.socket]:
    """A connection whose bytes are for an endpoint. Raises Refused."""
    if place.proxy is None:
        sock = open_tcp(host, port, place.timeout)
    elif place.proxy.is_socks:
        sock = socks_tunnel(place, socks_domain(host.encode(), port))
    else:
        authority = Endpoint("http", host, port).authority.encode()
        sock = connect_tunnel(place, authority, authority)
    with sock:
        yield sock


def ask(place: Place, endpoint: Endpoint, path: bytes, fields: bytes = b"", method: bytes = b"GET") -> bytes:
    """A well-formed request for an endpoint by the usual way: plain, or TLS in a tunnel."""
    host = endpoint.authority.encode()
    if endpoint.scheme == "http":
        with plain(place, endpoint.host, endpoint.port) as (sock, prefix):
            return converse(sock, request(prefix + path, host, _login(place, fields), method), place.timeout)
    with tunnel(place, endpoint.host, endpoint.port) as sock, start_tls(sock, _server_name(endpoint)) as tls:
        return converse(tls, request(path, host, fields, method), place.timeout)


def ask_raw(place: Place, endpoint: Endpoint, make: RawRequest) -> bytes:
    """The same with bytes of the caller's own: `make` gets the beginning of absolute targets, and login fields."""
    if endpoint.scheme == "http":
        with plain(place, endpoint.host, endpoint.port) as (sock, prefix):
            return converse(sock, make(prefix, _login(place)), place.timeout)
    with tunnel(place, endpoint.host, endpoint.port) as sock, start_tls(sock, _server_name(endpoint)) as tls:
        return converse(tls, make(b"", b""), place.timeout)


def _server_name(endpoint: Endpoint) -> str | None:
    return None if endpoint.is_address else endpoint.host


def ask_proxy(place: Place, raw: bytes) -> bytes:
    """Raw bytes for the HTTP proxy itself."""
    with _to_proxy(place) as sock:
        return converse(sock, raw, place.timeout)


def connect_tunnel(place: Place, authority: bytes, host: bytes) -> socket.socket:
    """Ask the HTTP proxy for a tunnel; the caller closes it. Raises Refused."""
    sock = _to_proxy(place)
    try:
        login = _login(place)
        sock.sendall(b"CONNECT " + authority + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + login + b"\r\n")
        head = b""
        # One byte at a time: what follows the head belongs to the tunnel.
        while not head.endswith(b"\r\n\r\n") and len(head) < _MAX_CONNECT_HEAD and (byte := sock.recv(1)):
            head += byte
        if status_of(head) != 200:
            raise Refused(f"the tunnel was refused with {status_of(head) or 'no answer'}")
    except BaseException:
        sock.close()
        raise
    return sock


def socks_domain(host: bytes, port: int) -> bytes:
    """A SOCKS5 request for a name or an IPv4 address that goes as a name."""
    return b"\x05\x01\x00\x03" + bytes([len(host)]) + host + port.to_bytes(2, "big")


def socks_tunnel(place: Place, wanted: bytes) -> socket.socket:
    """Ask the proxy in SOCKS5; the caller closes it. Raises Refused, also when it does not speak that."""
    sock = _to_proxy(place)
    try:
        _greet_socks(place, sock)
        sock.sendall(wanted)
        reply = _exactly(sock, 4)
        if reply[1] != 0:
            raise Refused(f"SOCKS5 said no with code {reply[1]}")
        _exactly(sock, {1: 4, 4: 16}.get(reply[3]) or _exactly(sock, 1)[0])
        _exactly(sock, 2)
    except BaseException:
        sock.close()
        raise
    return sock


def greet_socks(place: Place, token: bytes) -> bytes:
    """A sentence when SOCKS5 is spoken. Raises OSError when it is not, or our password is not taken."""
    with _to_proxy(place) as sock:
        _greet_socks(place, sock)
    return b"SOCKS5 is spoken"


def _greet_socks(place: Place, sock: socket.socket) -> None:
    credentials = place.proxy.credentials if place.proxy is not None else None
    sock.sendall(b"\x05\x01" + (b"\x02" if credentials is not None else b"\x00"))
    version, method = _exactly(sock, 2)
    if version != 5:
        raise Refused("the proxy does not speak SOCKS5")
    if method == 2 and credentials is not None:
        user, password = credentials.socks_fields()
        sock.sendall(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        if _exactly(sock, 2)[1] != 0:
            raise Refused("SOCKS5 did not take the password")
    elif method != 0:
        raise Refused("SOCKS5 wants a password")


def _exactly(sock: socket.socket, count: int) -> bytes:
    read = b""
    while len(read) < count:
        piece = sock.recv(count - len(read))
        if not piece:
            raise Refused("the proxy closed the connection")
        read += piece
    return read


def _to_proxy(place: Place) -> socket.socket:
    if place.proxy is None:
        raise Refused("no proxy is named here")
    return open_tcp(place.proxy.target.host, place.proxy.target.port, place.timeout)


def _login(place: Place, fields: bytes = b"") -> bytes:
    if place.proxy is None or place.proxy.is_socks or place.proxy.credentials is None:
        return fields
    return fields + b"Proxy-Authorization: " + place.proxy.credentials.basic() + b"\r\n"
