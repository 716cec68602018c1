"""
Sockets as a hostile program uses them: no certificate is verified, anything may be written, every wait ends.

All functions raise OSError (of which TLS errors are a kind) for what the way refuses; the caller closes what is
returned. IPv4 and IPv6 literals and names are taken alike.
"""

import os
import re
import socket
import ssl
import struct
from time import monotonic
from typing import Final

# An answer is looked at for a mark and a status; whoever sends more than this is not the canary.
MAX_ANSWER: Final = 64 * 1024
_HEAD_WITH_LENGTH: Final = re.compile(rb"HTTP/1\.[01] [0-9]{3}.*?\r\ncontent-length: *([0-9]{1,9})\r\n", re.I | re.S)


def open_tcp(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection; every later wait on it is as long as the first at most."""
    return socket.create_connection((host, port), timeout)


def start_tls(sock: socket.socket, server_name: str | None, protocols: tuple[str, ...] = ()) -> ssl.SSLSocket:
    """TLS with whoever answers. Closes the socket when that fails."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what wants to get out does not care who lets it
    if protocols:
        context.set_alpn_protocols(list(protocols))
    try:
        return context.wrap_socket(sock, server_hostname=server_name)
    except BaseException:
        sock.close()
        raise


def converse(sock: socket.socket, data: bytes, timeout: float) -> bytes:
    """Write, and read until the answer is whole, the other side ends, or nothing comes for a while."""
    sock.sendall(data)
    return read_answer(sock, timeout)


def read_answer(sock: socket.socket, timeout: float) -> bytes:
    """What comes within the time; b"" is nothing. A reset after some bytes ends the answer."""
    answer = bytearray()
    deadline = monotonic() + timeout
    while len(answer) < MAX_ANSWER and not is_whole(answer) and (left := deadline - monotonic()) > 0:
        sock.settimeout(left)
        try:
            piece = sock.recv(16384)
        except OSError:
            break
        if not piece:
            break
        answer += piece
    return bytes(answer)


def is_whole(answer: bytes | bytearray) -> bool:
    """Whether waiting for more is a waste: all of a body whose length is told, or the last chunk."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank or not answer.startswith(b"HTTP/"):
        # A DNS message behind its length; marks of a canary.
        return len(answer) > 2 and (len(answer) - 2 == int.from_bytes(answer[:2], "big") or answer.endswith(b";"))
    length = _HEAD_WITH_LENGTH.match(bytes(head) + b"\r\n")
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


def ask_datagram(host: str, port: int, data: bytes, timeout: float) -> bytes:
    """Send one UDP datagram and return what comes back from there; b"" when nothing does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect((host, port))
        sock.send(data)
        try:
            return sock.recv(4096)
        except TimeoutError:
            return b""


def ping(host: str, payload: bytes, timeout: float) -> bytes:
    """An ICMP echo request over IPv4 (RFC 792), by whichever socket the kernel grants. Returns the payload's echo."""
    with _icmp_socket() as sock:
        sock.settimeout(timeout)
        sock.connect((host, 0))
        message = struct.pack(">BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, 1) + payload
        sock.send(message[:2] + struct.pack(">H", _checksum(message)) + message[4:])
        deadline = monotonic() + timeout
        while (left := deadline - monotonic()) > 0:
            sock.settimeout(left)
            try:
                packet = sock.recv(4096)
            except TimeoutError:
                break
            # A raw socket gets the IP header too, and on loopback its own request.
            message_back = packet[(packet[0] & 15) * 4 :] if packet[0] >> 4 == 4 else packet
            if message_back[:1] == b"\0" and message_back.endswith(payload):
                return payload
        return b""


def _icmp_socket() -> socket.socket:
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    except PermissionError:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _checksum(message: bytes) -> int:
    """RFC 1071."""
    padded = message + b"\0" * (len(message) % 2)
    words: tuple[int, ...] = struct.unpack(f">{len(padded) // 2}H", padded)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def connect_unix(path: str, timeout: float) -> socket.socket:
    """A connection to a socket that is a file."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def status_of(answer: bytes) -> int | None:
    """The status of an HTTP/1 answer; None when it is none."""
    found = re.match(rb"HTTP/1\.[01] ([0-9]{3})", answer)
    return int(found[1]) if found is not None else None
