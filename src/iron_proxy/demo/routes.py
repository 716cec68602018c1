"""
Three ways for a client to come to the proxy: its DNS answers, CONNECT, SOCKS5. Each gives a socket that leads there.

The client's side only, written by hand on plain sockets: the proxy's own code is what is on show, so none of it is
used to look at it. Blocking, with a deadline on every step. The caller closes the socket.
"""

import socket
from typing import NamedTuple

import dns.exception
import dns.message
import dns.rdatatype
import dns.rdtypes.IN.A

LOOPBACK = "127.0.0.1"
# Everything is on loopback and answers within milliseconds; a step that takes this long has failed.
STEP_TIMEOUT = 3.0

_MAX_ANSWER_BYTES = 4096


class RouteFailed(Exception):
    """The proxy did not open the way; the message says what came instead."""


class Ports(NamedTuple):
    """Where the proxy listens on 127.0.0.1."""

    dns: int
    https: int
    tunnel: int


def look_up(host: str, dns_port: int) -> tuple[str, ...]:
    """The A records that a DNS server on loopback gives for a host. Raises RouteFailed."""
    query = dns.message.make_query(host, dns.rdatatype.A)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(STEP_TIMEOUT)
        sock.connect((LOOPBACK, dns_port))
        try:
            sock.send(query.to_wire())
            response = dns.message.from_wire(sock.recv(_MAX_ANSWER_BYTES))
        except (OSError, dns.exception.DNSException) as error:
            raise RouteFailed(f"the proxy's DNS server gave no answer ({type(error).__name__})") from error
    if not query.is_response(response):
        raise RouteFailed("the proxy's DNS server answered another question")
    return tuple(
        record.address for rrset in response.answer for record in rrset if isinstance(record, dns.rdtypes.IN.A.A)
    )


def connect_to_address(address: str, port: int) -> socket.socket:
    """A plain TCP connection, as to any address that DNS gave."""
    return socket.create_connection((address, port), STEP_TIMEOUT)


def open_connect_tunnel(proxy_port: int, host: str, port: int) -> socket.socket:
    """What HTTPS_PROXY makes programs do (RFC 9110 section 9.3.6). Raises RouteFailed."""
    sock = connect_to_address(LOOPBACK, proxy_port)
    try:
        sock.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _receive(sock, 1)  # one at a time: what follows the head belongs to TLS
        status_line = head.partition(b"\r\n")[0].decode("latin-1")
        if status_line.split(" ")[1:2] != ["200"]:
            raise RouteFailed(f"CONNECT was answered with: {status_line}")
    except BaseException:
        sock.close()
        raise
    return sock


def open_socks5_tunnel(proxy_port: int, host: str, port: int) -> socket.socket:
    """What ALL_PROXY=socks5h:// makes programs do (RFC 1928). Raises RouteFailed."""
    sock = connect_to_address(LOOPBACK, proxy_port)
    try:
        sock.sendall(b"\x05\x01\x00")  # version 5, one method, no authentication
        if _receive(sock, 2) != b"\x05\x00":
            raise RouteFailed("the SOCKS5 greeting was refused")
        name = host.encode("ascii")
        sock.sendall(b"\x05\x01\x00\x03" + bytes((len(name),)) + name + port.to_bytes(2))
        reply = _receive(sock, 10)
        if reply[1] != 0:
            raise RouteFailed(f"the SOCKS5 request was refused with code {reply[1]}")
    except BaseException:
        sock.close()
        raise
    return sock


def _receive(sock: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        piece = sock.recv(size - len(content))
        if not piece:
            raise RouteFailed("the proxy closed the connection during the handshake")
        content += piece
    return content
