"""
Proxies on loopback that hold nothing, or everything: what the selftest's cases are tried on.

    leaky      passes on any request as it came, opens any tunnel, grants every command of SOCKS5
    holding    answers 403 to all but the canary's own pages, and speaks no SOCKS5
"""

import re
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions

Serve = Callable[[socket.socket, bytes], None]
_PIECE = 65536
_REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_PATIENCE = 30.0  # a whole test is shorter


class FakeEgressProxy(ABC):
    """Serves in threads from `with` on. `leads_to` says where hosts are; an address leads to itself."""

    def __init__(self, leads_to: Mapping[str, tuple[str, int | None]], *, tls: ssl.SSLContext | None = None) -> None:
        """Ports of None are those that were asked for. With `tls`, tunnels are ended here, and HTTP/2 is spoken."""
        self.leads_to = leads_to
        self._tls = tls

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_safely, args=(client,), daemon=True).start()

    def _serve_safely(self, client: socket.socket) -> None:
        client.settimeout(_PATIENCE)
        with client, suppress(OSError, ValueError, h2.exceptions.H2Error):
            self.serve(client, client.recv(_PIECE))

    @abstractmethod
    def serve(self, client: socket.socket, first: bytes) -> None:
        """Serve one connection, whose first bytes these are."""

    def dial(self, host: str, port: int) -> socket.socket:
        """Connect to where a host is, read as a careless program reads it."""
        careless = host.encode().decode("idna" if not host.isascii() else "ascii").lower().strip("[]").rstrip(".")
        careless = careless.partition("\0")[0].rpartition("@")[2]
        address, fixed = self.leads_to.get(careless) or (socket.inet_ntoa(socket.inet_aton(careless)), None)
        if (fixed or port) == self.port:
            raise ConnectionRefusedError("no way round in circles: each turn would be one more connection and thread")
        return socket.create_connection((address, fixed or port), 5)


class HoldingProxy(FakeEgressProxy):
    """Nothing gets out of it."""

    def serve(self, client: socket.socket, first: bytes) -> None:
        if found := re.match(rb"GET http://([^/:]*):([0-9]+)/selftest/", first):
            with self.dial(found[1].decode(), int(found[2])) as upstream:
                join(client, upstream, first)
            return
        client.sendall(_REFUSAL)


class LeakyProxy(FakeEgressProxy):
    """Everything gets out of it."""

    def serve(self, client: socket.socket, first: bytes) -> None:
        if first[:1] == b"\x05":
            self._serve_socks(client)
        elif first.startswith(b"CONNECT "):
            self._serve_tunnel(client, *_authority(first.split(b" ")[1]))
        elif first.startswith(b"TRACE "):
            head = b"HTTP/1.1 200 OK\r\nContent-Type: message/http\r\nContent-Length: %d\r\n\r\n" % len(first)
            client.sendall(head + first)
        elif target := re.match(rb"[A-Z]+ http://([^/]*)/", first):
            with self.dial(*_authority(target[1])) as upstream:
                join(client, upstream, first.replace(b"%0d%0a", b"\r\n"))

    def _serve_tunnel(self, client: socket.socket, host: str, port: int) -> None:
        with self.dial(host, port) as upstream:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            if self._tls is None:
                join(client, upstream, b"")
                return
            with self._tls.wrap_socket(client, server_side=True) as tls:
                if tls.selected_alpn_protocol() == "h2":
                    translate_http2(tls, upstream)
                else:
                    join(tls, upstream, b"")

    def _serve_socks(self, client: socket.socket) -> None:
        client.sendall(b"\x05\x00")
        request = client.recv(_PIECE)
        if not request:
            return
        granted = b"\x05\x00\x00\x01" + bytes(6)
        if request[1] != 1:
            client.sendall(granted)
            return
        with self.dial(request[5:-2].decode(), int.from_bytes(request[-2:], "big")) as upstream:
            client.sendall(granted)
            join(client, upstream, b"")


def join(client: socket.socket, upstream: socket.socket, first: bytes) -> None:
    """Pass bytes on both ways until either side ends."""
    upstream.sendall(first)
    upstream.settimeout(_PATIENCE)

    def pass_on(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while piece := source.recv(_PIECE):
                sink.sendall(piece)
        for sock in (source, sink):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    upload = threading.Thread(target=pass_on, args=(client, upstream), daemon=True)
    upload.start()
    pass_on(upstream, client)
    upload.join()


def translate_http2(tls: ssl.SSLSocket, upstream: socket.socket) -> None:
    """One request in HTTP/2, written as HTTP/1 without a look at what is in it; the answer's bytes as its body."""
    lenient = h2.config.H2Configuration(client_side=False, validate_inbound_headers=False, header_encoding=None)
    connection = h2.connection.H2Connection(lenient)
    connection.initiate_connection()
    tls.sendall(connection.data_to_send())
    while piece := tls.recv(_PIECE):
        for event in connection.receive_data(piece):
            if isinstance(event, h2.events.RequestReceived):
                upstream.sendall(_as_http1([(bytes(name), bytes(value)) for name, value in event.headers or []]))
                connection.send_headers(1, [(":status", "200")])
                connection.send_data(1, upstream.recv(_PIECE)[:16384], end_stream=True)
                tls.sendall(connection.data_to_send())
                return


def _as_http1(fields: list[tuple[bytes, bytes]]) -> bytes:
    pseudo = dict(reversed([field for field in fields if field[0].startswith(b":")]))
    lines = [b"GET " + pseudo[b":path"] + b" HTTP/1.1"]
    lines += [b"Host: " + value for name, value in fields if name in (b":authority", b"host")]
    lines += [name + b": " + value for name, value in fields if not name.startswith(b":") and name != b"host"]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _authority(text: bytes) -> tuple[str, int]:
    host, _, port = text.decode("utf-8").rpartition(":")
    return host, int(port)
