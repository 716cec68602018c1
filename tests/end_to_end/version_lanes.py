"""
A request from a client of either version, over each way in, to an origin of either version, and what arrived there.

`Lane` is one combination. `Lanes.call` sends over it; `Lanes.seen` reads what the origin remembers.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from tests.fakes.http2_origin import Http2Origin
from tests.fakes.http2_peer import speak
from tests.fakes.internet import Internet
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import TLS_WAYS, Answer, Way

Pair = tuple[bytes, bytes]

# The same answer has another path where the origins differ.
_HTTP1_PATHS = {"/trailers": "/raw/trailers", "/hints": "/raw/hints", "/stream": "/chunked", "/cut/2": "/raw/cut"}
_HTTP1_REPLIES = {
    "trailers": RawReply(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Checksum: 7\r\n\r\n", Then.KEEP
    ),
    "hints": RawReply(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Then.KEEP
    ),
    "cut": RawReply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", Then.CLOSE),
    "head": RawReply(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Then.KEEP),
}


class Lane(NamedTuple):
    """The client's version, the upstream's version, and the way between."""

    client: int
    upstream: int
    way: Way


LANES = tuple(Lane(*each) for each in itertools.product((1, 2), (1, 2), TLS_WAYS))
SHORT_LANES = tuple(lane for lane in LANES if lane.way is Way.HTTPS)


def lane_id(lane: Lane) -> str:
    """For `ids=`."""
    return f"{lane.client}-to-{lane.upstream}-{lane.way.name.lower()}"


@dataclass
class Arrived:
    """One request as an origin saw it. Names are in lower case, whatever was sent."""

    method: bytes
    path: str
    host: bytes
    headers: list[Pair]
    body: bytes
    trailers: list[Pair]
    is_complete: bool

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        return next((value for each, value in self.headers if each == name), None)


class Lanes:
    """The proxy between both kinds of origin. `begin_test` of the proxy must have been called."""

    def __init__(self, proxy: RunningProxy, internet: Internet, origin: Http2Origin) -> None:
        self.proxy, self.internet, self.origin = proxy, internet, origin
        internet.allowed_tls.raw_replies.update(_HTTP1_REPLIES)
        origin.begin_test()

    def port(self, lane: Lane) -> int:
        """Where a lane's origin listens."""
        return self.origin.port if lane.upstream == 2 else self.internet.tls_port

    def path(self, lane: Lane, path: str) -> str:
        """The path of an answer at this lane's origin."""
        if lane.upstream == 2:
            return path
        first, _, rest = path[1:].partition("/")
        return _HTTP1_PATHS.get(path) or _HTTP1_PATHS.get(f"/{first}", f"/{first}") + (f"/{rest}" if rest else "")

    def call(
        self, lane: Lane, path: str = "/", method: str = "GET", headers: Iterable[Pair] = (), body: bytes | None = None,
        *, sized: bool = True, trailers: Iterable[Pair] = (), host: str = "ok.test",
    ) -> Answer:  # fmt: skip
        """One request on a connection of its own."""
        self.proxy.started += 1
        path = self.path(lane, path)
        if lane.client == 2:
            with speak(self.proxy, lane.way, host, self.port(lane)) as peer:
                return peer.ask(path, method, headers, body, sized=sized, trailers=trailers)
        authority = f"{host}:{self.port(lane)}".encode()
        raw = http1_request(path, authority, method, headers, body, sized=sized, trailers=trailers)
        with self.proxy.open(lane.way, host, self.port(lane)) as session:
            session.send(raw)
            return session.read_answer(method)

    def seen(self, lane: Lane) -> Arrived:
        """The newest request that reached this lane's origin."""
        if lane.upstream == 2:
            stream = self.origin.requests[-1]
            pseudo = {name: value for name, value in stream.headers if name.startswith(b":")}
            fields = [pair for pair in stream.headers if pair[0] not in pseudo]
            return Arrived(
                pseudo[b":method"], stream.path, pseudo[b":authority"], fields, bytes(stream.body), stream.trailers,
                stream.is_complete,
            )  # fmt: skip
        request = self.proxy.arrived()[-1]
        fields = [(name.lower(), value) for name, value in request.fields]
        lines = [line.split(b": ") for line in request.trailers.splitlines()]
        return Arrived(
            request.request_line.split(b" ")[0], request.path, request.get_all(b"host")[0],
            [pair for pair in fields if pair[0] != b"host"], request.body,
            [(name.lower(), value) for name, value in lines], request.is_complete,
        )  # fmt: skip


def http1_request(
    path: str, authority: bytes, method: str, headers: Iterable[Pair], body: bytes | None, *, sized: bool,
    trailers: Iterable[Pair],
) -> bytes:  # fmt: skip
    """The bytes of a request; a body without a size is chunked."""
    lines = [b"%b %b HTTP/1.1" % (method.encode(), path.encode()), b"Host: " + authority]
    lines += [b"%b: %b" % pair for pair in headers]
    content = body or b""
    if trailers or (body is not None and not sized):
        lines.append(b"Transfer-Encoding: chunked")
        chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
        content = chunk + b"0\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in trailers) + b"\r\n"
    elif body is not None:
        lines.append(b"Content-Length: %d" % len(content))
    return b"\r\n".join(lines) + b"\r\n\r\n" + content
