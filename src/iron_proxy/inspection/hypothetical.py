"""
A request that nobody has sent: from a method and a URL to the `Exchange` that the main path would have made of it.

It is written down as HTTP/1.1 and read by the same parser and the same checks as a client's bytes, so that what is
refused there is refused here. Called by `explanation.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from iron_proxy.errors import BadRequest
from iron_proxy.messages.authority import DEFAULT_PORTS, Target, parse_target
from iron_proxy.messages.body import Body
from iron_proxy.messages.body_memory import BodyMemory, HeldBody
from iron_proxy.messages.headers import Headers, Pair
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.protocols.http1.request_parser import RequestParser
from iron_proxy.proxy.request_checks import check_request

_URL = re.compile(r"(https?)://([^/?#]+)([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"[^/?#@]+")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
# Printable ASCII without what `quote` would take for its own: a URL's escapes stay as they were written.
_KEPT = "".join(map(chr, range(0x21, 0x7F)))
# These say where the body ends, and are made from it.
_FRAMING = ("content-length", "transfer-encoding")


@dataclass(frozen=True, slots=True)
class Hypothetical:
    """What is asked about. `scheme` is `tunnel` for CONNECT; `raw_target` the request target, "" for CONNECT."""

    method: str
    scheme: str
    authority: str
    raw_target: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    client_name: str = ""
    body: bytes = b""

    @classmethod
    def parse(
        cls, method: str, url: str, fields: Sequence[tuple[str, str]] = (), client_name: str = "", body: bytes = b""
    ) -> "Hypothetical":
        """Read a question. Raises ValueError with a sentence for what no client could have sent."""
        if not _METHOD.fullmatch(method):
            raise ValueError(f'"{method}" is not a method; write it first, as in: explain GET https://api.example.com/')
        _check_fields(fields)
        if method == "CONNECT":
            return cls(method, "tunnel", _tunnel_authority(url), "", tuple(fields), client_name)
        parts = _URL.fullmatch(url)
        if parts is None:
            raise ValueError(f'"{url}" is not a URL of the web; write https://host/path or http://host/path')
        scheme, authority, rest = parts[1].lower(), parts[2], quote(parts[3], safe=_KEPT)
        _check_authority(authority)
        target = rest if rest.startswith("/") else "/" + rest
        return cls(method, scheme, authority, target, tuple(fields), client_name, body)

    def target(self) -> Target:
        """Where it goes. Raises BadRequest."""
        return parse_target(self.authority.encode("ascii"), DEFAULT_PORTS.get(self.scheme, 443))

    def exchange(self) -> Exchange:
        """The exchange that the main path would begin with. Raises BadRequest, with what the client would be told."""
        target = self.target()
        if self.method == "CONNECT":
            request = Request("CONNECT", "tunnel", target, b"", None, Headers(self._pairs()))
        else:
            server_name = "" if target.is_ip or self.scheme == "http" else target.host
            request = check_request(
                self._head(), _NO_SOURCE, scheme=self.scheme, server_name=server_name, tunnel=None
            )
            request.body = Body.of(self.body)
        request.client_name = self.client_name
        return Exchange(request, "", target.host if self.scheme != "http" else "")

    def _pairs(self) -> list[Pair]:
        return [(name.encode("latin-1"), value.encode("utf-8", "surrogateescape")) for name, value in self.fields]

    def _head(self) -> RequestHead:
        pairs = self._pairs()
        if not any(name.lower() == b"host" for name, _ in pairs):
            pairs.insert(0, (b"Host", self.authority.encode("ascii")))
        if self.body:
            pairs.append((b"Content-Length", b"%d" % len(self.body)))
        lines = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
        parser = RequestParser()
        parser.receive(f"{self.method} {self.raw_target} HTTP/1.1\r\n".encode("ascii") + lines + b"\r\n")
        head = parser.next_event()
        if not isinstance(head, RequestHead):
            raise BadRequest("malformed request line")
        return head


class _NoSource:
    """Where a body would come from; the made-up one is put in its place."""

    trailers: list[Pair] = []  # noqa: RUF012 - the protocol's attribute; nothing is ever put into it

    async def read_body(self) -> bytes:
        return b""

    def read_body_nowait(self) -> bytes | None:
        return b""

    def hold_body(self) -> HeldBody:
        return HeldBody(BodyMemory(0), "")       # of what is never there


_NO_SOURCE = _NoSource()


def _tunnel_authority(text: str) -> str:
    parts = _URL.fullmatch(text)
    authority = parts[2] if parts is not None else text
    if not _AUTHORITY.fullmatch(authority):
        raise ValueError(f'"{text}" is not the target of a CONNECT; write host:port')
    _check_authority(authority)
    return authority


def _check_authority(authority: str) -> None:
    if "@" in authority:
        raise ValueError("the URL holds a user name or a password, which clients send as the field Authorization")
    if not authority.isascii():
        raise ValueError(f'"{authority}": write the host as it is sent, in its A-label form (xn--...)')


def _check_fields(fields: Sequence[tuple[str, str]]) -> None:
    for name, value in fields:
        if not _METHOD.fullmatch(name):
            raise ValueError(f'"{name}" is not the name of a header field; write -H "Name: value"')
        if name.lower() in _FRAMING:
            raise ValueError(f"{name} follows from the body; leave it out")
        if any(character in value for character in "\r\n\0"):
            raise ValueError(f"the value of {name} holds a line break or a NUL, which ends a field")
