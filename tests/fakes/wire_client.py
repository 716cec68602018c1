"""
A client that speaks to the proxy byte by byte: over every way in, at every split, with blocking sockets.

`Way` names the ways in. Answers are read by h11, which is strict and not ours. `RunningProxy.open` makes a `Session`.
"""

import re
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

import h11

TIMEOUT = 10.0


class Way(Enum):
    """How a request reaches the proxy; the inner protocol decides how it goes on."""

    HTTP = "->80"
    HTTPS = "->443"
    CONNECT_TLS = "CONNECT+TLS"
    CONNECT_PLAIN = "CONNECT+plain"
    SOCKS_TLS = "SOCKS5+TLS"
    SOCKS_PLAIN = "SOCKS5+plain"

    @property
    def is_tls(self) -> bool:
        return self in (Way.HTTPS, Way.CONNECT_TLS, Way.SOCKS_TLS)

    @property
    def is_tunnel(self) -> bool:
        return self not in (Way.HTTP, Way.HTTPS)

    @property
    def is_socks(self) -> bool:
        return self in (Way.SOCKS_TLS, Way.SOCKS_PLAIN)


ALL_WAYS = tuple(Way)
TLS_WAYS = tuple(way for way in Way if way.is_tls)
PLAIN_WAYS = tuple(way for way in Way if not way.is_tls)


def way_id(way: Way) -> str:
    """For `ids=`."""
    return way.name.lower()


class Split(Enum):
    """How a message is cut into writes."""

    WHOLE = "one write"
    AT_CRLF = "at each CRLF"
    BYTES = "one byte a write"

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The writes."""
        match self:
            case Split.WHOLE:
                yield data
            case Split.BYTES:
                for index in range(len(data)):
                    yield data[index : index + 1]
            case Split.AT_CRLF:
                # Between CR and LF: the reader must not take a lone CR for an end of line, nor lose it.
                yield from re.split(rb"(?<=\r)(?=\n)", data)


SPLITS = tuple(Split)
# What `cut` cuts of a message: heads, and what is around their ends. Megabytes in single bytes take minutes.
MOST_CUT = 4096

_split = Split.WHOLE


@contextmanager
def sending_in(split: Split) -> Iterator[None]:
    """Cut whatever is sent without a split of its own, by clients and by origins with a raw reply."""
    global _split                                # of functions, classes and origins, all of one test at a time
    before, _split = _split, split
    try:
        yield
    finally:
        _split = before


def split_in_force() -> Split:
    """That of `sending_in`."""
    return _split


def cut(data: bytes, split: Split) -> Iterator[bytes]:
    """The writes of a message of which the end may be long."""
    yield from split.pieces(data[:MOST_CUT])
    if rest := data[MOST_CUT:]:
        yield rest


class TunnelRefused(Exception):
    """CONNECT or SOCKS5 was answered with a refusal."""

    def __init__(self, code: int, answer: bytes) -> None:
        super().__init__(f"the tunnel was refused: {code}")
        self.code = code
        self.answer = answer


@dataclass
class Answer:
    """One response. `is_complete` is False when the connection ended before the message did."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    informational: list[int] = field(default_factory=list)
    is_complete: bool = False

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        return next((value for each, value in self.headers if each.lower() == name.lower()), None)

    def get_all(self, name: bytes) -> list[bytes]:
        """Every value of a field."""
        return [value for each, value in self.headers if each.lower() == name.lower()]


class Session:
    """One open connection (or tunnel) to the proxy. `received` is every byte that came back."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = bytearray()
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def send(self, data: bytes, split: Split | None = None) -> None:
        """Send; a proxy that has closed already is not an error here, its answer tells."""
        try:
            for piece in cut(data, _split) if split is None else split.pieces(data):
                self.sock.sendall(piece)
        except OSError:
            pass

    def end(self) -> None:
        """No more will be sent: a FIN. TLS is not told, as when a program is killed; reading goes on."""
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_WR)  # SSLSocket's own would stop decrypting
        except OSError:
            pass

    def read(self) -> bytes:
        """The next bytes; b"" when the proxy has ended or broken the connection."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        try:
            data = self.sock.recv(1 << 18)
        except (ConnectionError, ssl.SSLError):
            data = b""
        self.received += data
        return data

    def read_exactly(self, size: int) -> bytes:
        """So many bytes. Raises EOFError."""
        data = b""
        while len(data) < size:
            piece = self.read()
            if not piece:
                raise EOFError(f"wanted {size} bytes, got {data!r}")
            data += piece
        self._unread = data[size:] + self._unread
        return data[:size]

    def read_to_end(self) -> bytes:
        """Everything until the proxy closes."""
        data = b""
        while piece := self.read():
            data += piece
        return data

    def is_closed(self) -> bool:
        """Whether the proxy closes without another byte."""
        return self.read() == b""

    def read_answer(self, method: str = "GET") -> Answer:
        """The next response, to a request with this method."""
        reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        reader.send(h11.EndOfMessage())
        answer, pieces = Answer(), []
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                data = self.read()
                try:
                    reader.receive_data(data)
                    event = reader.next_event() if not data else event
                except h11.RemoteProtocolError:
                    event = h11.PAUSED
            match event:
                case h11.InformationalResponse():
                    answer.informational.append(event.status_code)
                case h11.Response():
                    answer.status, answer.headers = event.status_code, list(event.headers.raw_items())
                case h11.Data():
                    pieces.append(bytes(event.data))
                case h11.EndOfMessage():
                    answer.is_complete = True
                    answer.trailers = list(event.headers)
                    self._unread = bytes(reader.trailing_data[0])
                    break
                case h11.ConnectionClosed() | h11.PAUSED:
                    break
                case _:  # NEED_DATA: round again
                    pass
        answer.body = b"".join(pieces)
        return answer

    def close(self) -> None:
        """Close in order."""
        self.sock.close()

    def reset(self) -> None:
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def connect(address: tuple[str, int]) -> socket.socket:
    """A connected socket with a deadline."""
    sock = socket.create_connection(address, TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def open_connect_tunnel(sock: socket.socket, authority: str) -> bytes:
    """Ask for a tunnel by CONNECT; returns the head of the answer. Raises TunnelRefused."""
    for piece in cut(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode(), _split):
        sock.sendall(piece)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = sock.recv(65_536)
        if not piece:
            break
        answer += piece
    status = int(answer.split(b" ")[1])
    if status != 200:
        raise TunnelRefused(status, answer)
    return answer


def open_socks_tunnel(sock: socket.socket, host: str, port: int) -> bytes:
    """Ask for a tunnel by SOCKS5, by name or IPv4 address. Raises TunnelRefused with the reply code."""
    for piece in cut(b"\x05\x01\x00", _split):
        sock.sendall(piece)
    greeting = sock.recv(2)
    assert greeting == b"\x05\x00"
    for piece in cut(socks_request(host, port), _split):
        sock.sendall(piece)
    answer = b""
    while len(answer) < 10 and (piece := sock.recv(10 - len(answer))):
        answer += piece
    if answer[1] != 0:
        raise TunnelRefused(answer[1], answer)
    return answer


def socks_request(host: str, port: int) -> bytes:
    """The bytes of a SOCKS5 CONNECT request."""
    if host.replace(".", "").isdigit():
        address = b"\x01" + socket.inet_aton(host)
    elif ":" in host:
        address = b"\x04" + socket.inet_pton(socket.AF_INET6, host)
    else:
        address = b"\x03" + bytes([len(host)]) + host.encode()
    return b"\x05\x01\x00" + address + port.to_bytes(2, "big")
