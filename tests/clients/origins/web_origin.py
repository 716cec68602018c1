"""
The origin of everything small: echoes and checksums, git, a Python index, an npm registry, a page, WebSockets; and DNS.

Run in the namespace by `tests/clients/world.py`. Its HTTP is the standard library's, threaded, HTTP/1.1 only:

    web.test     GET /seen: what arrived, as JSON    PUT /upload: length and SHA-256    GET /open: 200 without a secret
    page.test    GET / is a page; /seen; GET /events: five server-sent events; POST /report: printed for the test
    git.test     git http-backend                    pypi.test, npm.test: what `packages.py` makes
    ws.test      sends every message back
"""

import asyncio
import hashlib
import json
import os
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.clients.origins.credentials import carries_secret
from tests.clients.origins.packages import npm_registry, python_index
from tests.fakes.dns_upstream import FakeDNSUpstream
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

FOLDER = Path(os.environ["FOLDER"])
PAGE = Path(__file__).parent.parent / "programs" / "page.html"
PIECE = 1 << 18
STATIC = {"pypi.test": python_index(), "npm.test": npm_registry()}


class Conversation(BaseHTTPRequestHandler):
    """One connection; the server gives each a thread."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self) -> None:
        self._body = None
        self._host = self.headers.get("Host", "").partition(":")[0]
        if not self._is_public() and not carries_secret(self.headers.get("Authorization", ""), self.path):
            self._refuse()
            return
        self._answer()

    do_POST = do_PUT = do_GET

    def _is_public(self) -> bool:
        return self.path in ("/open", "/favicon.ico")

    def _answer(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        if self._host == "git.test":
            self._run_git()
        elif self._host in STATIC:
            found = STATIC[self._host].get(path)
            self._send(*found) if found else self._send("text/plain", b"not here", HTTPStatus.NOT_FOUND)
        elif path == "/upload":
            self._digest()
        elif path == "/events":
            self._send_events()
        elif path == "/report":
            print(json.dumps({"report": json.loads(self._read_all())}), flush=True)
            self._send("text/plain", b"thanks")
        elif path == "/" and self._host == "page.test":
            self._send("text/html", PAGE.read_bytes())
        elif path == "/seen":
            self._read_all()
            seen = {"protocol": self.request_version, "method": self.command, "host": self.headers["Host"]}
            self._send("application/json", json.dumps(seen).encode())
        else:
            self._send("text/plain", b"open\n")

    def _refuse(self) -> None:
        self._read_all()
        self._send("text/plain", b"no secret\n", HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": 'Basic realm="origin"'})

    def _send(self, kind: str, body: bytes, status: int = HTTPStatus.OK, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    # --- bodies -----------------------------------------------------------------------------------------------------

    def _pieces(self) -> Iterator[bytes]:
        """The body as it comes, sized or chunked."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield from self._sized(size)
                self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
        else:
            yield from self._sized(int(self.headers.get("Content-Length", "0")))

    def _sized(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self.rfile.read(min(left, PIECE))
            if not piece:
                raise EOFError
            left -= len(piece)
            yield piece

    def _read_all(self) -> bytes:
        return b"".join(self._pieces())

    def _digest(self) -> None:
        digest, length = hashlib.sha256(), 0
        for piece in self._pieces():
            digest.update(piece)
            length += len(piece)
        framing = "chunked" if "Transfer-Encoding" in self.headers else "sized"
        seen = {"length": length, "sha256": digest.hexdigest(), "framing": framing}
        self._send("application/json", json.dumps(seen).encode())

    def _send_events(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(5):
            event = b"data: %d\n\n" % number
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            threading.Event().wait(0.02)
        self.wfile.write(b"0\r\n\r\n")

    # --- git --------------------------------------------------------------------------------------------------------

    def _run_git(self) -> None:
        """Git's own CGI program."""
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(FOLDER), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "tester",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }  # fmt: skip
        body = self._read_all()
        environment["CONTENT_LENGTH"] = str(len(body))
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.pop("Status", "200").split()[0])
        self._send(fields.pop("Content-Type", "text/plain"), content, status, fields)

    def log_message(self, *arguments: object) -> None:
        pass


class TLSServer(ThreadingHTTPServer):
    """Shakes hands in the connection's own thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext | None) -> None:
        super().__init__(address, Conversation)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._context is not None:
            request = self._context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is no failure of the origin."""


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CERTIFICATE"])
    return context


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def admit(connection: ServerConnection, request: Request) -> Response | None:
    if carries_secret(request.headers.get("Authorization", ""), request.path):
        return None
    return connection.respond(HTTPStatus.UNAUTHORIZED, "no secret\n")


async def main() -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(FOLDER / "project.git")], check=False)
    for port, context in ((80, None), (443, server_context())):
        server = TLSServer(("127.0.1.1", port), context)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    names = FakeDNSUpstream({name: [address] for name, address in json.loads(os.environ["HOSTS"]).items()})
    async with names, serve(echo, "127.0.1.2", 443, ssl=server_context(), process_request=admit, max_size=None):
        print(json.dumps({"ready": True, "resolver": names.address}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
