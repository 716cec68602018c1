"""
The internet of a `RunWorld`, as a program in its namespace: one origin for every name, and the DNS that leads there.

It serves what `tests/clients/origins/web_origin.py` serves, to everybody; only `api.example.com` wants the real secret.
Each request is a line of JSON on standard output, with what it carried.
"""

import json
import os
import socket
import threading
from http.server import ThreadingHTTPServer

from tests.clients.origins.credentials import carries_secret
from tests.clients.origins.web_origin import FOLDER, Conversation, TLSServer, server_context
from tests.fakes.dns_upstream import FakeDNSUpstream

ADDRESS = "203.0.113.5"
PORTS = {80: False, 443: True, 8443: True}
RESOLVER = ("127.0.0.53", 53)


class Told(Conversation):
    """Tells what arrived."""

    def _is_public(self) -> bool:
        authorization = self.headers.get("Authorization", "")
        seen = {"host": self._host, "method": self.command, "path": self.path, "authorization": authorization}
        print(json.dumps({"request": seen}), flush=True)
        return self._host != "api.example.com"


class Origin(TLSServer):
    def __init__(self, port: int, is_tls: bool) -> None:
        ThreadingHTTPServer.__init__(self, (ADDRESS, port), Told)
        self._context = server_context() if is_tls else None


def serve_names(names: list[str]) -> None:
    upstream = FakeDNSUpstream({name: [ADDRESS] for name in names})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(RESOLVER)
        print(json.dumps({"ready": True}), flush=True)
        while True:
            wire, client = sock.recvfrom(4096)
            response = upstream.respond(wire, "udp")
            if response is not None:
                sock.sendto(response, client)


def main() -> None:
    for port, is_tls in PORTS.items():
        threading.Thread(target=Origin(port, is_tls).serve_forever, daemon=True).start()
    (FOLDER / "served").touch()
    serve_names(os.environ["NAMES"].split())


if __name__ == "__main__":
    assert carries_secret(os.environ["SECRET"])
    main()
