"""
The demo's internet: an HTTPS server in the manner of httpbin, with certificates of its own CA.

It writes down every request as it arrives, which is how the demo knows what left the proxy. At `/headers` it sends the
credentials of a request back, as careless services do: the proxy has to take them out.
"""

import json
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from iron_proxy.demo.observation import OriginView
from iron_proxy.demo.scenario import CREDENTIAL_HEADERS, EVENTS
from iron_proxy.demo.websocket_frame import CLOSE, read_frame, serialize_frame
from iron_proxy.protocols.websocket_handshake import expected_accept

BODY = b'{"ok": true}'
# How long the origin waits for the client to have read an event. On loopback that takes a millisecond; a proxy that
# holds events back is found out after this.
EVENT_PATIENCE = 2.0
# No connection of the demo is silent for so long; one that is must not keep a thread.
_SOCKET_TIMEOUT = 10.0


def echo_of(view: OriginView) -> bytes:
    """What `/headers` answers: the credentials as they arrived."""
    return json.dumps({name: value for name, value in view.headers if name in CREDENTIAL_HEADERS}).encode()


class Origin:
    """The server and its notes. A context manager; `port` is where it listens on 127.0.0.1."""

    def __init__(self, contexts: Mapping[str, ssl.SSLContext]) -> None:
        """`contexts` holds the TLS context to serve each host name with."""
        self._server = _Server(("127.0.0.1", 0), contexts)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="demo origin", daemon=True
        )
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take_requests(self) -> list[OriginView]:
        """The requests that arrived since this was last asked."""
        with self._server.lock:
            taken, self._server.seen = self._server.seen, []
        return taken

    def release_event(self) -> None:
        """Let the next event go: the client has read the one before."""
        self._server.event_read.release()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], contexts: Mapping[str, ssl.SSLContext]) -> None:
        self._contexts = contexts
        self._first_context = next(iter(contexts.values()))
        self._first_context.sni_callback = self._choose_certificate
        self.lock = threading.Lock()
        self.seen: list[OriginView] = []
        self.event_read = threading.Semaphore(0)
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, then serve it."""
        request.settimeout(_SOCKET_TIMEOUT)
        with self._first_context.wrap_socket(request, server_side=True) as tls:
            _Handler(tls, client_address, self)
            with suppress(OSError):
                tls.unwrap()  # close_notify: an end without it could be an attacker's

    def _say_nothing(self, request: Any, client_address: Any) -> None:
        """What fails here is a surprise at the client's end, and told there."""

    handle_error = _say_nothing  # the name that socketserver calls by

    def _choose_certificate(self, tls: Any, server_name: str | None, context: ssl.SSLContext) -> int | None:
        chosen = self._contexts.get(server_name or "")
        if chosen is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        tls.context = chosen
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes; the second would wait 40 ms for an ACK
    server: _Server

    def _get(self) -> None:
        """Write the request down, then answer by its path."""
        view = OriginView(self.command, self.path, [(name, value) for name, value in self.headers.items()])
        with self.server.lock:
            self.server.seen.append(view)
        match self.path.partition("?")[0]:
            case "/ws":
                self._echo_messages(view)
            case "/sse":
                self._send_events()
            case "/headers":
                self._answer(echo_of(view))
            case _:
                self._answer()

    do_GET = _get  # the name that http.server calls by

    def log_message(self, format: str, *args: object) -> None:  # the name is the standard library's
        """Say nothing: the report shows what arrived."""

    def _answer(self, body: bytes = BODY) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _echo_messages(self, view: OriginView) -> None:
        self.close_connection = True
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        key = self.headers.get("Sec-WebSocket-Key", "")
        self.send_header("Sec-WebSocket-Accept", expected_accept(key.encode("latin-1")).decode())
        self.end_headers()
        while True:
            opcode, payload = read_frame(self.rfile)
            if opcode != CLOSE:
                view.messages.append(payload.decode("utf-8", "replace"))
            self.wfile.write(serialize_frame(opcode, payload))
            if opcode == CLOSE:
                return

    def _send_events(self) -> None:
        """Each event waits until the one before has been read: a proxy that collects them gets no more."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        for number, event in enumerate(EVENTS):
            if number and not self.server.event_read.acquire(timeout=EVENT_PATIENCE):
                raise TimeoutError("the client has not read the event before")
            self.wfile.write(f"data: {event}\n\n".encode())
