"""An npm registry over TLS with one program of many dependencies, one of them in a scope; made in memory."""

import base64
import hashlib
import io
import json
import ssl
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

# More names than stay a list in learned rules.
DEPENDENCIES = [f"dependency-{letter}{other}" for letter in "abcdef" for other in "abcdef"]
SCOPED = "@scope/scoped"
PROGRAM = "program"


class NpmRegistry:
    """Serves from `with` on. `url` is `https://HOST:PORT/` as clients name it."""

    def __init__(self, address: str, host: str, context: ssl.SSLContext) -> None:
        self.requested: list[str] = []
        registry = self

        class Conversation(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.requested.append(self.path)
                kind, content = registry.answers.get(self.path.lower(), ("text/plain", None))
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *values: Any) -> None:
                """What arrived is in `requested`."""

        self._server = ThreadingHTTPServer((address, 0), Conversation)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://{host}:{self._server.server_address[1]}/"
        self.answers = self._answers()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="npm registry")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answers(self) -> dict[str, tuple[str, bytes]]:
        answers: dict[str, tuple[str, bytes]] = {}
        for index, name in enumerate([*DEPENDENCIES, SCOPED, PROGRAM]):
            needs = dict.fromkeys([*DEPENDENCIES, SCOPED], "*") if name == PROGRAM else {}
            version = f"1.{index}.0"
            package = {"name": name, "version": version, "dependencies": needs}
            tarball = _tarball(package)
            path = f"{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
            told = {**package, "dist": {"tarball": self.url + path, "integrity": integrity}}
            document = {"name": name, "dist-tags": {"latest": version}, "versions": {version: told}}
            answers[f"/{name.replace('/', '%2f')}"] = ("application/json", json.dumps(document).encode())
            answers[f"/{path}"] = ("application/octet-stream", tarball)
        return answers


def _tarball(package: dict[str, Any]) -> bytes:
    raw, text = io.BytesIO(), json.dumps(package).encode()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/package.json")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return raw.getvalue()
