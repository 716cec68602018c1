"""
An origin that switches to WebSocket, waits for its client's end, and only then answers with all that it was sent.

On a blocking socket in a thread: asyncio's TLS cannot write behind the peer's close_notify, as TLS 1.3 allows.

    with HalfClosingOrigin("127.0.1.1", context) as origin:
        ... origin.port ...
"""

import contextlib
import re
import socket
import ssl
import threading
from typing import Self

from tests.fakes.recorder import accept_of
from tests.fakes.wire_client import TIMEOUT


class HalfClosingOrigin:
    """Serves one connection; with a context, over TLS."""

    def __init__(self, address: str, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._listening = socket.create_server((address, 0))
        self._listening.settimeout(TIMEOUT)
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="half-closing origin")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(TIMEOUT)
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError), self._accept() as sock:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(1)
            key = re.search(rb"(?i)sec-websocket-key: *([^\r]+)", head)
            assert key is not None
            sock.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept_of(key[1]) + b"\r\n\r\n"
            )
            received = b""
            while data := sock.recv(65_536):
                received += data
            sock.sendall(received)

    def _accept(self) -> socket.socket:
        sock, _ = self._listening.accept()
        sock.settimeout(TIMEOUT)
        return self._context.wrap_socket(sock, server_side=True) if self._context is not None else sock
