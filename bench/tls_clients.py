"""
TLS clients that a load generator does not play: thousands that are silent, and ones that ask for a new name each time.

They run in this process, one after the other, on the load generator's core.
"""

import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.errors import MeasurementFailed
from bench.setting import HOST, SMALL_BODY
from bench.started_process import on_core

# One handshake takes a millisecond; this is for a machine that does something else meanwhile.
_PATIENCE = 20.0
# Descriptors for everything that is not one of the connections, on either side.
_SPARE_DESCRIPTORS = 500


def most_connections() -> int:
    """How many connections this process, or one that it starts, can have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_DESCRIPTORS


def get(path: str, headers: Mapping[str, str]) -> bytes:
    """A GET request, whole."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


class OpenConnections:
    """Connections that have had an answer and are silent."""

    def __init__(self) -> None:
        self.sockets: list[ssl.SSLSocket] = []

    def check_open(self) -> None:
        """Raise MeasurementFailed when the proxy has closed one: it would not have held memory for it."""
        if closed := sum(not _is_open(sock) for sock in self.sockets):
            raise MeasurementFailed(f"{closed} of {len(self.sockets)} idle connections were closed meanwhile")


@contextmanager
def open_connections(port: int, ca: Path, request: bytes, count: int, core: int | None) -> Iterator[OpenConnections]:
    """Connect so often, fetch the small answer once each, and hold still until the block ends."""
    context = _context(ca)
    connections = OpenConnections()
    with ExitStack() as stack:
        with on_core(core):
            for number in range(count):
                try:
                    sock = stack.enter_context(_connect(context, port, HOST))
                    _fetch(sock, request)
                except (OSError, MeasurementFailed) as error:
                    raise MeasurementFailed(f"connection {number + 1} of {count}: {error}") from error
                connections.sockets.append(sock)
        yield connections


class Handshakes:
    """Handshakes one after the other; nothing is asked."""

    def __init__(self, port: int, ca: Path, core: int | None) -> None:
        self._port = port
        self._context = _context(ca)
        self._core = core

    def run(self, name: Callable[[int], str], most: int, seconds: float) -> tuple[int, float]:
        """
        As many as asked for, or as the time allows, each for the name that its number gives.

        Their number (one at least), and the seconds it took. Raises MeasurementFailed when one does not succeed.
        """
        began = time.monotonic()
        with on_core(self._core):
            for number in range(most):
                try:
                    _connect(self._context, self._port, name(number)).close()
                except OSError as error:
                    raise MeasurementFailed(f"handshake for {name(number)}: {error}") from error
                if time.monotonic() - began > seconds:
                    return number + 1, time.monotonic() - began
        return most, time.monotonic() - began


def _context(ca: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _connect(context: ssl.SSLContext, port: int, name: str) -> ssl.SSLSocket:
    sock = socket.create_connection(("127.0.0.1", port), _PATIENCE)
    # A request right behind the handshake would wait for an acknowledgement that the other side delays by 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(sock, server_hostname=name)


def _fetch(sock: ssl.SSLSocket, request: bytes) -> None:
    sock.sendall(request)
    answer = b""
    while not answer.endswith(SMALL_BODY):
        if not (piece := sock.recv(4096)):
            raise MeasurementFailed(f"closed after {answer[:200]!r}")
        answer += piece


def _is_open(sock: ssl.SSLSocket) -> bool:
    # Below TLS, at the socket itself: whatever can be read there from a silent peer is the announcement of an end.
    raw = socket.socket(fileno=sock.fileno())
    try:
        raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        raw.detach()
    return False
