"""
The demo's workload: sends one request of the scenario by its route, over real TLS, and notes what comes back.

It trusts the proxy's CA and nothing else, and knows proxy tokens only. Standard library only, for the reason that
`routes.py` gives.
"""

import base64
import http.client
import secrets
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from iron_proxy.demo.observation import ClientView
from iron_proxy.demo.routes import (
    STEP_TIMEOUT,
    Ports,
    RouteFailed,
    connect_to_address,
    look_up,
    open_connect_tunnel,
    open_socks5_tunnel,
)
from iron_proxy.demo.scenario import EVENTS, MESSAGE, Kind, Route, Step
from iron_proxy.demo.websocket_frame import CLOSE, TEXT, read_frame, serialize_frame


class Client:
    """Sends steps. `event_read` is called after each event, and makes the origin send the next one."""

    def __init__(self, ca: Path, ports: Ports, origin_port: int, event_read: Callable[[], None]) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does without being asked
        self._context.load_verify_locations(ca)
        self._ports = ports
        self._origin_port = origin_port
        self._event_read = event_read

    def send(self, step: Step) -> ClientView:
        """Send one request. What goes wrong is in the view's `error`; nothing is raised."""
        view = ClientView()
        try:
            with self._connect(step, view) as sock:
                host, port = sock.getsockname()[:2]
                view.address = f"{host}:{port}"
                sock.settimeout(STEP_TIMEOUT)
                with self._context.wrap_socket(sock, server_hostname=step.host) as tls:
                    tls.sendall(self._request(step))
                    self._receive(step, tls, view)
        except RouteFailed as failure:
            view.error = str(failure)
        except ssl.SSLError as error:
            view.error = f"TLS failed: {getattr(error, 'verify_message', '') or error.reason}"
        except (OSError, http.client.HTTPException) as error:
            view.error = "nothing came in time" if isinstance(error, TimeoutError) else type(error).__name__
        return view

    def _connect(self, step: Step, view: ClientView) -> socket.socket:
        match step.route:
            case Route.CONNECT:
                return open_connect_tunnel(self._ports.tunnel, step.host, self._origin_port)
            case Route.SOCKS5:
                return open_socks5_tunnel(self._ports.tunnel, step.host, self._origin_port)
            case Route.DNS:
                view.dns_answer = look_up(step.host, self._ports.dns)
                if not view.dns_answer:
                    raise RouteFailed("the proxy's DNS server has no address for the name")
                # A client of a real installation would connect to port 443 there.
                return connect_to_address(view.dns_answer[0], self._ports.https)

    def _request(self, step: Step) -> bytes:
        fields = [("Host", f"{step.host}:{self._origin_port}"), ("User-Agent", "iron-proxy-demo")]
        if step.kind is Kind.WEBSOCKET:
            key = base64.b64encode(secrets.token_bytes(16)).decode()
            fields += [("Connection", "Upgrade"), ("Upgrade", "websocket")]
            fields += [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key)]
        else:
            fields += [("Connection", "close")]
        if step.header is not None:
            fields.append(step.header)
        lines = [f"GET {step.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def _receive(self, step: Step, tls: ssl.SSLSocket, view: ClientView) -> None:
        response = http.client.HTTPResponse(tls, method="GET")
        with response:
            response.begin()
            view.status, view.reason = response.status, response.reason
            view.received = f"{response.reason}\n{response.headers}"
            if response.status == 101:
                view.messages = _exchange_messages(tls, response)
            elif step.kind is Kind.EVENTS:
                view.messages = tuple(self._read_events(response))
            else:
                view.body = response.read().decode("utf-8", "replace")
        view.received += "\n".join((view.body, *view.messages))

    def _read_events(self, response: http.client.HTTPResponse) -> list[str]:
        events: list[str] = []
        while line := response.readline():
            if line.startswith(b"data: "):
                events.append(line[6:].rstrip(b"\n").decode("utf-8", "replace"))
                if len(events) < len(EVENTS):
                    self._event_read()
        return events


def _exchange_messages(tls: ssl.SSLSocket, response: http.client.HTTPResponse) -> tuple[str, ...]:
    """Say MESSAGE, read what comes back, and close in both directions (RFC 6455 section 7.1.2)."""
    tls.sendall(serialize_frame(TEXT, MESSAGE.encode(), secrets.token_bytes(4)))
    opcode, payload = read_frame(response.fp)
    tls.sendall(serialize_frame(CLOSE, b"", secrets.token_bytes(4)))
    read_frame(response.fp)
    return (payload.decode("utf-8", "replace"),) if opcode == TEXT else ()
