"""
One HTTP/1.1 connection to an upstream: a request out, a response in, again and again while both sides agree.

Requests are written anew from their parts, here and nowhere else. `http2_client.py` offers the same for HTTP/2, so that
`proxy/forward.py` need not know which it has.
"""

from collections.abc import Awaitable, Sequence

from iron_proxy.config.schema import DEFAULT_LIMITS, LimitsConfig
from iron_proxy.errors import UpstreamDisconnected, UpstreamTimeout
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Fields, Pair
from iron_proxy.messages.request import Request
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.protocols.http1.serializer import chunk, serialize_head, serialize_trailers
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.http1_reader import ResponseReader
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.connection_facts import ConnectionFacts
from iron_proxy.upstream.outbound_proxy import DIRECT, Route

# What a connection may be reused for: scheme, host and port, and whether the operator named the address literally. That
# belongs to it because a connection to an address that only an explicit word made dialable must not serve a request
# without that word.
OriginKey = tuple[str, Target, bool]


class UpstreamConnection:
    """Owned by one exchange at a time; between exchanges by the pool. `key` is the pool's name for its origin."""

    __slots__ = (
        "asked_at", "bound_to", "broken", "facts", "idle_since", "is_chunked", "is_idle", "key", "offered", "read_head",
        "reader", "route", "stream", "uses", "write_timeout",
    )  # fmt: skip

    def __init__(
        self,
        stream: SocketStream | TLSStream,
        key: OriginKey,
        route: Route = DIRECT,
        limits: LimitsConfig = DEFAULT_LIMITS,
    ) -> None:
        self.stream = stream
        self.facts = ConnectionFacts(stream)
        self.key = key
        self.route = route                    # through which outbound proxy, and what it asks of each request
        self.reader = ResponseReader(stream)
        self.reader.body_timeout = limits.response_body_idle
        self.write_timeout = limits.write
        self.offered: tuple[str, ...] = ()    # the protocols of its handshake (ALPN)
        self.read_head = self.reader.read_head
        self.is_chunked = False               # the body that is being sent
        self.uses = 0
        self.asked_at = 0.0                   # when a request wanted it, until it is answered; 0.0: nobody measures
        self.is_idle = False                  # in the pool; kept by the pool
        self.idle_since = 0.0
        self.bound_to: object = None          # whose credentials it carries (bound_connections.py); None: nobody's
        self.broken = False                   # not to be used again, whatever the response said

    # --- the request ------------------------------------------------------------------------------------------------

    def send_whole(self, request: Request, content: bytes) -> Awaitable[None] | None:
        """
        Send a request whose body is all here, in one write; what is to be awaited where the upstream takes it slowly.

        Raises UpstreamDisconnected, UpstreamTimeout. No coroutine: nearly every request is taken at once.
        """
        message = request_head(request, self.route)
        if request.body.length is None:
            message += _chunked(request.body, content)
        elif content:
            message += content
        self.expect(request.method)
        return self.drain() if self.write_nowait(message) else None

    async def send_head(self, request: Request) -> None:
        """Begin a request whose body is still arriving: pieces, then `end_request`. Raises as `send_whole`."""
        self.expect(request.method)
        self.is_chunked = request.body.length is None
        self.broken = True                    # until its last byte is out: whoever came next would go on with this body
        await self.write(request_head(request, self.route))

    async def send_piece(self, piece: bytes) -> None:
        """The next piece of the body. Raises as `send_whole`."""
        await self.write(chunk(piece) if self.is_chunked else piece)

    async def end_request(self, trailers: Sequence[Pair]) -> None:
        """The body is complete. Raises as `send_whole`."""
        if self.is_chunked:
            await self.write(serialize_trailers(trailers))
        self.broken = False

    def write_nowait(self, data: bytes) -> bool:
        """Send a piece of the request; True when `drain` should be awaited. Raises UpstreamDisconnected."""
        try:
            return self.stream.write_nowait(data)
        except StreamReset as error:
            raise UpstreamDisconnected("the upstream closed the connection while the request was sent") from error

    async def drain(self) -> None:
        """Wait until the upstream has taken enough of it. Raises UpstreamDisconnected, UpstreamTimeout."""
        try:
            await self.stream.drain(self.write_timeout)
        except StreamTimeout as error:
            raise UpstreamTimeout("the upstream stopped taking the request") from error
        except StreamReset as error:
            raise UpstreamDisconnected("the upstream closed the connection while the request was sent") from error

    async def write(self, data: bytes) -> None:
        """Both. Raises UpstreamDisconnected, UpstreamTimeout."""
        if self.write_nowait(data):
            await self.drain()

    def expect(self, method: str) -> None:
        """A request with this method is about to be sent."""
        self.uses += 1
        reader = self.reader
        reader.received_any = reader.message_ended = False
        reader.trailers = []
        reader.parser.expect(method)

    # --- between requests -------------------------------------------------------------------------------------------

    def is_reusable(self, head: ResponseHead) -> bool:
        """Whether, after this response, the next request can go on this connection."""
        return head.keep_alive and not self.broken and self.reader.message_ended and not self.stream.has_ended

    def is_quiet(self) -> bool:
        """Nothing has come in unasked: bytes before a request are an answer to nobody (response splitting)."""
        stream = self.stream
        if stream.has_ended or self.reader.parser.unread:
            return False
        if not stream.has_unread:
            return True
        # TLS 1.3 session tickets arrive unasked and hold no data.
        if not isinstance(stream, TLSStream):
            return False
        try:
            return not stream.read_nowait() and not stream.has_ended
        except StreamReset:
            return False

    def close(self) -> None:
        """Close in order; what the upstream still sends is not wanted."""
        self.stream.close()
        self.reader.parser.let_go()

    def abort(self) -> None:
        """Close with a reset: the upstream must not take a half-sent request for a whole one."""
        self.stream.abort()
        self.reader.parser.let_go()


def request_head(request: Request, route: Route = DIRECT) -> bytes:
    """The request line and fields as they go upstream; from the last time, where a connection repeats its requests."""
    fields = request.headers.fields
    if route is not DIRECT or not isinstance(fields, Fields):
        return _request_head(request, route)
    # All that it is made of besides the fields.
    parts = (
        request.method, request.raw_path, request.raw_query, request.target, request.scheme, request.body.length,
        request.accepts_trailers,
    )  # fmt: skip
    known: tuple[object, bytes] | None = fields.request
    if known is None or known[0] != parts:
        known = fields.request = (parts, _request_head(request, route))
    return known[1]


def _request_head(request: Request, route: Route) -> bytes:
    length = request.stated_length
    if request.body.length is None:
        framing = b"Transfer-Encoding: chunked\r\n"
    elif length is not None:
        framing = b"Content-Length: %d\r\n" % length
    else:
        framing = b""
    if request.accepts_trailers:
        framing += b"TE: trailers\r\n"
    target = request.raw_target
    if route is not DIRECT:
        target = route.request_target(request.target, target)
        framing += route.proxy_fields(request.method)
    start_line = b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target)
    return serialize_head(start_line, request.target.host_header(request.scheme), request.headers.fields, framing)


def _chunked(body: Body, content: bytes) -> bytes:
    """A whole body as its head says it is framed. Unframed, the content itself could pass for another request."""
    return (chunk(content) if content else b"") + serialize_trailers(body.trailers)
