"""
The canary: a server outside that hears on any ports and says what reached it (`iron-proxy selftest -serve`).

Each address is heard on for TCP and UDP. What is spoken on a TCP connection is told by its first byte: TLS (the same
again inside), DNS, or text. Threads, because a person's own test is its whole load; their number, and the time of each
connection, are limited, for it stands on the internet.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final, Self

from iron_proxy.certs.server_contexts import build_server_context
from iron_proxy.errors import BadHandshake, StartupError
from iron_proxy.protocols.client_hello import ClientHelloParser
from iron_proxy.selftest.arrivals import Arrival, Canary, fingerprint
from iron_proxy.selftest.canary_answers import CanaryBook

# One selftest opens a dozen connections at once; strangers may hold the rest for as long as _LONGEST.
MAX_CONNECTIONS: Final = 64
# A client that says nothing gets this long, one that speaks slowly this much in all (seconds).
_FIRST_BYTES, _LONGEST = 5.0, 15.0
# After a head with a body, or what is no head at all, more may be on its way.
_PAUSE: Final = 0.3
_MAX_READ: Final = 16 * 1024
_TLS_HANDSHAKE: Final = b"\x16"
# How often a thread that waits for datagrams looks whether it is to end, where a shutdown does not wake it (seconds).
_LOOK: Final = 0.2


class CanaryServer:
    """Listens from `with` on. Raises StartupError for an address that cannot be listened on."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], chain_pem: bytes, key_pem: bytes, tell: Callable[[Arrival], None]
    ) -> None:
        """`tell` is called for each arrival, from any thread. Raises StartupError for a certificate without its key."""
        self._addresses = addresses
        try:
            self._context = build_server_context(chain_pem, key_pem)
        except ssl.SSLError as error:
            raise StartupError(f"the canary's certificate and key cannot be used: {error.reason or error}") from None
        self._fingerprint = fingerprint(ssl.PEM_cert_to_DER_cert(_first_certificate(chain_pem)))
        self._tell = tell
        self._sockets: list[socket.socket] = []
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._threads: list[threading.Thread] = []
        self._is_open = True

    def __enter__(self) -> Self:
        for host, port in self._addresses:
            try:
                self._listen(host, port)
            except OSError as error:
                self._close_sockets()
                raise StartupError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        listening = tuple((_transport(sock), sock.getsockname()[1]) for sock in self._sockets)
        self.canary = Canary(self._fingerprint, listening)
        self._book = CanaryBook(self.canary, self._tell)
        for sock in self._sockets:
            self._start(self._accept if _transport(sock) == "tcp" else self._hear_datagrams, sock)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        self._close_sockets()
        for thread in self._threads:
            thread.join(_LONGEST)

    def _listen(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        tcp = socket.create_server((host, port), family=family, backlog=128)
        self._sockets.append(tcp)
        udp = socket.socket(family, socket.SOCK_DGRAM)
        self._sockets.append(udp)
        udp.settimeout(_LOOK)
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as TCP has it: IPv4's twin stands beside
        udp.bind((host, tcp.getsockname()[1]))

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            with suppress(OSError):              # a datagram socket says that it is not connected, and does it
                sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept or recvfrom
            sock.close()

    def _start(self, target: Callable[[socket.socket, int], None], sock: socket.socket) -> None:
        # The port is asked for here: a socket may be closed before its thread first runs.
        thread = threading.Thread(target=target, args=(sock, sock.getsockname()[1]), daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- TCP --------------------------------------------------------------------------------------------------------

    def _accept(self, server: socket.socket, port: int) -> None:
        while self._is_open:
            self._room.acquire()
            try:
                connection, _ = server.accept()
            except OSError:
                self._room.release()
                if not self._is_open:
                    return
                continue
            threading.Thread(target=self._serve, args=(connection, port), daemon=True).start()

    def _serve(self, connection: socket.socket, port: int) -> None:
        try:
            with connection:
                connection.settimeout(_FIRST_BYTES)
                self._converse(connection, port)
        except OSError:
            pass  # who breaks off has been heard up to there
        finally:
            self._room.release()

    def _converse(self, connection: socket.socket, port: int) -> None:
        hello = connection.recv(_MAX_READ, socket.MSG_PEEK)
        if hello[:1] == _TLS_HANDSHAKE:
            name = _server_name(hello)
            self._book.note(hello, "tls", port, name)  # a server name can carry a token out by itself
            with self._context.wrap_socket(connection, server_side=True) as tls:
                self._talk(tls, "tls", port, name)
        else:
            self._talk(connection, "tcp", port, None)

    def _talk(self, connection: socket.socket, transport: str, port: int, server_name: str | None) -> None:
        end = monotonic() + _LONGEST
        while monotonic() < end and (heard := _read(connection, end)):
            is_framed = len(heard) > 2 and int.from_bytes(heard[:2], "big") == len(heard) - 2
            reply = self._book.answer_dns(heard[2:], transport, port) if is_framed else None
            if reply is not None:
                connection.sendall(len(reply).to_bytes(2, "big") + reply)
                continue
            answer = self._book.answer_http(heard, transport, port, server_name)
            connection.sendall(answer)
            if b"Connection: close" in answer:
                return

    # --- UDP --------------------------------------------------------------------------------------------------------

    def _hear_datagrams(self, sock: socket.socket, port: int) -> None:
        while self._is_open:
            try:
                data, sender = sock.recvfrom(4096)
                if not self._is_open:
                    return
                reply = self._book.answer_dns(data, "udp", port)
                if reply is None:
                    # Never more than came: senders can be forged, and the canary must not multiply.
                    reply = self._book.note_datagram(data, port)[: len(data)]
                if reply:
                    sock.sendto(reply, sender)
            except OSError:
                continue


def _transport(sock: socket.socket) -> str:
    return "tcp" if sock.type == socket.SOCK_STREAM else "udp"


def _read(connection: socket.socket, end: float) -> bytes:
    """One message: to the end of a head without body, else until nothing comes for a moment."""
    heard = b""
    connection.settimeout(_FIRST_BYTES)
    while len(heard) < _MAX_READ and monotonic() < end:
        try:
            piece = connection.recv(_MAX_READ)
        except TimeoutError:
            break
        if not piece:
            break
        heard += piece
        head = heard.lower()
        if head.endswith(b"\r\n\r\n") and b"\r\nhost:" in head and b"\r\ncontent-length:" not in head:
            break
        connection.settimeout(_PAUSE)
    return heard


def _server_name(hello: bytes) -> str | None:
    """The name in what has come of a ClientHello; OpenSSL says what is wrong with a malformed one."""
    try:
        parsed = ClientHelloParser().receive(hello)
    except BadHandshake:
        return None
    return parsed.server_name if parsed is not None else None


def _first_certificate(chain_pem: bytes) -> str:
    end = b"-----END CERTIFICATE-----"
    return (chain_pem[chain_pem.index(b"-----BEGIN CERTIFICATE-----") : chain_pem.index(end)] + end + b"\n").decode()
