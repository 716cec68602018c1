"""
What the doctor's proxy answers: enough of each client's protocol for one request to succeed.

A transform, named in the configuration that `own_proxy.py` writes: it answers everything itself, so the proxy connects
to nobody. Pure but for the protocol of transforms.
"""

import base64
import functools
import hashlib
import io
import json
import zipfile
from typing import Final, NamedTuple

from iron_proxy.config.section import Section
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import Scope, TransformContext
from iron_proxy.pipeline.verdict import Stub, Verdict

PACKAGE: Final = "iron-proxy-doctor"
VERSION: Final = "1.0.0"
GREETING: Final = b"iron-proxy doctor\n"
GO_MODULE: Final = "iron-proxy.invalid/doctor"

WHEEL_NAME: Final = f"iron_proxy_doctor-{VERSION}-py3-none-any.whl"
_BRANCH: Final = "refs/heads/main"
# A file's date must be in 1980 or later (the format's epoch); always the same, so that the checksum is.
_DATE: Final = (1980, 1, 1, 0, 0, 0)


class Answer(NamedTuple):
    """A status, a content type and a body."""

    status: int
    content_type: str
    content: bytes


class DoctorAnswers:
    """The transform `iron_proxy.doctor.answers:DoctorAnswers`; takes no keys."""

    name = "doctor"
    scopes = frozenset((Scope.REQUEST,))

    def __init__(self, section: Section, context: TransformContext) -> None:
        pass

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Answer, whatever is asked."""
        request = exchange.request
        answer = answer_to(request.path, f"{request.scheme}://{request.target}")
        headers = Headers([(b"Content-Type", answer.content_type.encode("ascii"))])
        return Stub(Response(answer.status, headers, Body.of(answer.content)))


def answer_to(path: str, origin: str) -> Answer:
    """
    The answer to a GET. `origin` is `https://host:port`.

    The first segment of the path says which client is asked, the second which of its protocols.
    """
    run, _, rest = path.removeprefix("/").partition("/")
    protocol, _, rest = rest.partition("/")
    match protocol:
        case "hello":
            return Answer(200, "text/plain", GREETING)
        case "project.git":
            return _git(rest)
        case "python":
            return _python_index(rest)
        case "npm":
            return _npm(f"{origin}/{run}/npm")
        case "cargo":
            return _cargo(rest, f"{origin}/{run}/cargo")
        case "go":
            return _go(rest)
        case _:
            return _missing()


def _missing() -> Answer:
    return Answer(404, "text/plain", b"not found\n")


def _json(content: object) -> Answer:
    return Answer(200, "application/json", json.dumps(content).encode())


def _git(path: str) -> Answer:
    """The protocol of a plain web server ("dumb HTTP"): a list of references is a text file."""
    match path:
        case "info/refs":
            return Answer(200, "text/plain", f"{'1' * 40}\t{_BRANCH}\n".encode())
        case "HEAD":
            return Answer(200, "text/plain", f"ref: {_BRANCH}\n".encode())
        case _:
            return _missing()


def _python_index(path: str) -> Answer:
    """PEP 503: a page of links, and the file."""
    if path == f"{PACKAGE}/":
        digest = hashlib.sha256(wheel()).hexdigest()
        link = f'<!DOCTYPE html><a href="{WHEEL_NAME}#sha256={digest}">{WHEEL_NAME}</a>\n'
        return Answer(200, "text/html", link.encode())
    return Answer(200, "application/zip", wheel()) if path == f"{PACKAGE}/{WHEEL_NAME}" else _missing()


@functools.cache
def wheel() -> bytes:
    """An installable package with nothing in it but an empty module."""
    folder = f"iron_proxy_doctor-{VERSION}.dist-info"
    files = {
        "iron_proxy_doctor.py": b"",
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n".encode(),
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: iron-proxy\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_record_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{folder}/RECORD"] = f"{record}{folder}/RECORD,,\n".encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as container:
        for name, content in files.items():
            container.writestr(zipfile.ZipInfo(name, _DATE), content)
    return archive.getvalue()


def _record_digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _npm(base: str) -> Answer:
    release = {
        "name": PACKAGE,
        "version": VERSION,
        "dist": {"tarball": f"{base}/{PACKAGE}.tgz", "shasum": "0" * 40},
    }
    return _json({"name": PACKAGE, "dist-tags": {"latest": VERSION}, "versions": {VERSION: release}})


def _cargo(path: str, base: str) -> Answer:
    """A sparse index, whose configuration leads to the API that a search asks."""
    match path:
        case "index/config.json":
            return _json({"dl": f"{base}/dl", "api": base})
        case "api/v1/crates":
            found = {"name": PACKAGE, "max_version": VERSION, "description": "found"}
            return _json({"crates": [found], "meta": {"total": 1}})
        case _:
            return _missing()


def _go(path: str) -> Answer:
    """The protocol of module proxies."""
    match path.removeprefix(f"{GO_MODULE}/@v/v{VERSION}"):
        case ".info":
            return _json({"Version": f"v{VERSION}", "Time": "2020-01-01T00:00:00Z"})
        case ".mod":
            return Answer(200, "text/plain", f"module {GO_MODULE}\n".encode())
        case _:
            return _missing()
