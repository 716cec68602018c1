"""
The origin of a `RoutedNetwork`, as a program in a namespace: it answers with the address and port it was reached by.

    python -m tests.fakes.routed_origin origin CERTIFICATE     HTTP on 80, 8080; HTTPS on 443, 8443; a banner on 22
    python -m tests.fakes.routed_origin names NAME=ADDRESS …   a DNS server, whose address is the line that it prints
"""

import asyncio
import http.server
import socket
import ssl
import sys
import threading
from typing import Any

from tests.fakes.dns_upstream import FakeDNSUpstream

HTTP_PORTS, HTTPS_PORTS, BANNER_PORT = (80, 8080), (443, 8443), 22


class Answer(http.server.BaseHTTPRequestHandler):
    """`origin 203.0.113.7:80 /path`; `/big` is that many bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host, port = self.request.getsockname()[:2]
        body = f"origin {host.removeprefix('::ffff:')}:{port} {self.path}".encode()
        if self.path == "/big":
            body = b"x" * 3_000_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *arguments: Any) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Over IPv4 and IPv6; a client that breaks off is nothing to tell about."""

    address_family = socket.AF_INET6
    daemon_threads = True

    def handle_error(self, *arguments: Any) -> None:
        pass


def origin(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    for port in HTTP_PORTS + HTTPS_PORTS:
        server = Server(("::", port), Answer)
        if port in HTTPS_PORTS:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=banner, daemon=True).start()
    say("ready")
    threading.Event().wait()


def say(line: str) -> None:
    """For whoever has started this program."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def banner() -> None:
    with socket.create_server(("::", BANNER_PORT), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-origin\r\n")


async def names(entries: list[str]) -> None:
    addresses: dict[str, list[str]] = {}
    for name, _, address in (entry.partition("=") for entry in entries):
        addresses.setdefault(name, []).append(address)
    async with FakeDNSUpstream(addresses) as server:
        say(server.address)
        await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "origin":
        origin(sys.argv[2])
    else:
        asyncio.run(names(sys.argv[2:]))
