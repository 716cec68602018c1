"""
One HTTP/2 connection to an upstream, shared by all exchanges with its origin, and the stream that each of them gets.

`Http2Exchange` offers what `http1_client.UpstreamConnection` offers, so that `proxy/forward.py` need not know which it
has. The connection's frames are read by a task that the pool owns.
"""

import asyncio
from collections.abc import Awaitable, Sequence

from iron_proxy.config.schema import DEFAULT_LIMITS, LimitsConfig
from iron_proxy.errors import (
    IronProxyError,
    UpstreamDisconnected,
    UpstreamProtocolError,
    UpstreamRefusedStream,
    UpstreamTimeout,
)
from iron_proxy.messages.headers import Pair
from iron_proxy.messages.request import Request
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.protocols.http1.limits import MAX_INFORMATIONAL
from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import Event, ResponseReceived, SettingsChanged
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.http2_session import Http2Session
from iron_proxy.streams.http2_stream import Http2Stream
from iron_proxy.streams.socket_stream import NEVER
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.connection_facts import ConnectionFacts
from iron_proxy.upstream.http1_client import OriginKey
from iron_proxy.upstream.outbound_proxy import DIRECT

# SETTINGS are the first bytes that an upstream sends, right behind its handshake: as long as that may take.
SETTLE_TIMEOUT = 10.0

# A request that was given up when nothing at all had come for this long may have gone into the void: a router on the
# way can forget a connection. Where the upstream was only thinking, our doubt costs one handshake.
SILENCE_SECONDS = 2.0

# Upstreams count the requests that are taken back and end the connection of who does so too often (CVE-2023-44487), and
# here that is everybody's. So the others get a new one first: with the hundred that may be open then, no upstream sees
# more than two hundred on one, which those that count tolerate.
MAX_GIVEN_UP = 100


class Http2Upstream(Http2Session["Http2Exchange"]):
    """A shared connection. The pool closes it; `run` ends when either side has."""

    core: Http2Client

    def __init__(self, stream: TLSStream, key: OriginKey, limits: LimitsConfig = DEFAULT_LIMITS) -> None:
        super().__init__(stream, Http2Client(), limits.write)
        self.limits = limits
        self.facts = ConnectionFacts(stream)
        self.key = key
        self.has_ended = False                # no new exchange from now on
        self.settled: asyncio.Future[None] = self.loop.create_future()     # the upstream has said how much it takes
        self._given_up = 0                    # exchanges whose stream we have reset
        self._promised = 0                    # exchanges that were handed out and have not sent their head yet
        self.idle_since = 0.0

    @property
    def can_open_stream(self) -> bool:
        """Whether one more exchange fits now."""
        return not self.has_ended and not self.stream.has_ended and self.core.streams_left > self._promised

    @property
    def is_idle(self) -> bool:
        """Nothing is going on in it."""
        return not self.streams and not self._promised

    async def settle(self) -> None:
        """Wait until the upstream has said how many streams it takes, or is gone. Raises UpstreamTimeout."""
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                await asyncio.shield(self.settled)
        except TimeoutError as error:
            raise self._give_up() from error

    def _give_up(self) -> UpstreamTimeout:
        """No SETTINGS came: all who wait for them learn it at once."""
        failure = UpstreamTimeout("the upstream did not begin HTTP/2 in time")
        self.has_ended = True
        if not self.settled.done():
            self.settled.set_exception(failure)
            self.settled.exception()          # nobody else may be waiting
        self._close_if_done()
        return failure

    async def run(self) -> None:
        """Read frames until the connection ends; then fail what is left. Raises nothing for what the upstream does."""
        failure: IronProxyError = UpstreamDisconnected("the upstream closed the connection")
        try:
            self.flush()
            while await self.read_frames(NEVER):
                if self.has_ended and not self.streams:
                    break
        except (StreamReset, StreamTimeout):
            failure = UpstreamDisconnected("the upstream's connection broke")
        except IronProxyError as error:
            failure = error
        finally:
            self._end(failure)

    def _end(self, failure: IronProxyError) -> None:
        self.has_ended = True
        if not self.settled.done():
            self.settled.set_result(None)
        for exchange in tuple(self.streams.values()):
            exchange.fail(failure)
        self.flush()
        self.stream.close()

    def open_exchange(self) -> "Http2Exchange":
        """The next stream; it gets its number with its head. Only while `can_open_stream`."""
        self._promised += 1
        return Http2Exchange(self)

    def open_stream(self, request: Request, *, end: bool) -> int:
        """Send a request's head; its stream's number. Raises UpstreamRefusedStream if there is no room after all."""
        self._promised -= 1
        if self.has_ended or self.stream.has_ended or not self.core.streams_left:
            self._close_if_done()
            raise UpstreamRefusedStream("the upstream takes no more streams on this connection")
        self.flush_soon()
        return self.core.send_head(
            request.method,
            request.scheme,
            request.target.host_header(request.scheme),
            request.raw_target,
            request.headers.fields,
            length=request.stated_length,
            te_trailers=request.accepts_trailers,
            end=end,
            sensitive=request.sensitive,
        )

    def give_up(self, exchange: "Http2Exchange") -> None:
        """Reset the stream of an exchange that did not come to its end."""
        exchange.reset(ErrorCode.CANCEL)
        self._given_up += 1
        if self._given_up >= MAX_GIVEN_UP:
            self.has_ended = True

    def leave(self, exchange: "Http2Exchange") -> None:
        """An exchange is over."""
        if exchange.id:
            self.remove(exchange)
        else:
            self._promised -= 1               # it was given back unused
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.is_idle:
            self.idle_since = self.loop.time()
            if self.has_ended or not self.core.streams_left:     # what takes no streams is of no use to anybody
                self.close()

    def close(self) -> None:
        """Say goodbye and close."""
        self.core.go_away(ErrorCode.NO_ERROR)
        self._end(UpstreamDisconnected("the connection to the upstream was closed"))

    # --- what comes in ----------------------------------------------------------------------------------------------

    def role_event(self, event: Event) -> None:
        """A response's head; how much the upstream takes; pings are the core's own business."""
        if isinstance(event, ResponseReceived):
            if (exchange := self.streams.get(event.stream_id)) is not None:
                exchange.receive_head(event)
        elif isinstance(event, SettingsChanged):
            if not self.settled.done():
                self.settled.set_result(None)
            if self.is_idle and not self.core.streams_left:
                self.has_ended = True         # and `run` with it

    def stream_reset(self, stream: "Http2Exchange", code: int) -> None:
        """The upstream ends a stream, with a reason."""
        if code == ErrorCode.REFUSED_STREAM:
            stream.fail(UpstreamRefusedStream("the upstream refused the stream"))
        else:
            stream.fail(UpstreamDisconnected(f"the upstream reset the stream ({_name_of(code)})"))

    def doubt(self, since: float) -> None:
        """An exchange was given up: if nothing was heard since, others get another connection, as in HTTP/1."""
        if self.heard_at < since and self.loop.time() - since > SILENCE_SECONDS:
            self.has_ended = True

    def peer_going_away(self) -> None:
        """No new stream from now on; the last one that is open ends the connection."""
        self.has_ended = True

    def connection_failed(self, reason: str) -> None:
        """The upstream broke the rules."""
        error = UpstreamProtocolError(f"the upstream's HTTP/2 is not valid: {reason}")
        for exchange in tuple(self.streams.values()):
            exchange.fail(error)

    def write_failed(self, error: Exception) -> IronProxyError:
        """The upstream's fault, for each exchange that wanted to write."""
        if isinstance(error, StreamTimeout):
            return UpstreamTimeout("the upstream stopped taking the request")
        return UpstreamDisconnected("the upstream closed the connection while the request was sent")


class Http2Exchange(Http2Stream):
    """One request and its response. Owned by one exchange; `close` or `abort` gives the stream back."""

    session: Http2Upstream

    def __init__(self, connection: Http2Upstream) -> None:
        limits = connection.limits
        super().__init__(connection, 0, body_timeout=limits.response_body_idle, write_timeout=limits.write)
        self.connection = connection
        self.facts = connection.facts
        self.received_any = False
        self.asked_at = 0.0                   # as of an HTTP/1 connection
        self.route = DIRECT                   # https goes straight or through a tunnel: no proxy reads it
        self._heads: list[ResponseHead] = []
        self._informational = 0
        self._has_begun = False
        self._begun_at = 0.0
        self._request_ended = False
        self._has_left = False

    @property
    def reader(self) -> "Http2Exchange":
        """Where the response comes from."""
        return self

    # --- the request ------------------------------------------------------------------------------------------------

    def send_whole(self, request: Request, content: bytes) -> Awaitable[None] | None:
        """
        Send a request whose body is all here; what is to be awaited where there is a body.

        Raises UpstreamDisconnected, UpstreamTimeout.
        """
        trailers = request.body.trailers
        if content or trailers:
            self._begin(request, end=False)
            return self._send_rest(content, trailers)
        self._begin(request, end=True)
        self._request_ended = True
        return None

    async def _send_rest(self, content: bytes, trailers: Sequence[Pair]) -> None:
        try:
            if content:
                await self.send_piece(content, end=not trailers)
            if trailers:
                self.end(trailers)
        except UpstreamDisconnected:
            if not self._has_answered:        # it may have answered before it stopped listening
                raise
            return
        self._request_ended = True

    async def send_head(self, request: Request) -> None:
        """Begin a request whose body is still arriving: pieces, then `end_request`. Raises as `send_whole`."""
        self._begin(request, end=False)

    async def end_request(self, trailers: Sequence[Pair]) -> None:
        """The body is complete. Raises as `send_whole`."""
        self.end(trailers)
        self._request_ended = True

    def _begin(self, request: Request, *, end: bool) -> None:
        self._has_begun = True
        self._begun_at = self.connection.loop.time()
        self.id = self.connection.open_stream(request, end=end)
        self.connection.add(self)

    # --- the response -----------------------------------------------------------------------------------------------

    @property
    def _has_answered(self) -> bool:
        return bool(self._heads) and self._heads[-1].status >= 200

    def receive_end(self) -> None:
        """As `Http2Stream`; who still sends the request learns that nobody waits for its rest."""
        super().receive_end()
        if not self._request_ended:
            self.fail(UpstreamDisconnected("the upstream answered before it had the whole request"))

    def receive_head(self, event: ResponseReceived) -> None:
        """A head has come, 1xx included."""
        self.received_any = True
        head = event.head
        if head.status < 200:
            self._informational += 1
            if self._informational > MAX_INFORMATIONAL:
                self.fail(UpstreamProtocolError("the upstream sent too many 1xx responses"))
                self.reset(ErrorCode.PROTOCOL_ERROR)
                return
        self._heads.append(head)
        if event.ends:
            self.receive_end()
        if self._waiter is not None:
            self._wake()

    async def read_head(self, timeout: float) -> ResponseHead:
        """The next response head, 1xx included. Raises UpstreamTimeout, UpstreamProtocolError, UpstreamDisconnected."""
        while not self._heads:
            if self._failure is not None:
                raise self._failure
            await self.wait(timeout)
        return self._heads.pop(0)

    def is_reusable(self, head: ResponseHead) -> bool:
        """Whether all was said on both sides."""
        return self._request_ended and self._remote_ended

    def close(self) -> None:
        """The exchange is over; what either side still has to say is not wanted."""
        if self._has_left:
            return
        self._has_left = True
        if self.id and not (self._request_ended and self._remote_ended):
            self.connection.give_up(self)
            if not self.received_any:         # whoever gave it up: a client may wait less long than we do
                self.connection.doubt(self._begun_at)
        if self.id or not self._has_begun:    # else `open_stream` has failed, and counted it off
            self.connection.leave(self)

    def abort(self) -> None:
        """The same: a cancelled request must not pass for a whole one."""
        self.close()

    def too_slow(self) -> IronProxyError:
        """Nothing comes."""
        return UpstreamTimeout("the upstream did not answer or go on in time")

    def stopped_reading(self) -> IronProxyError:
        """Nothing is taken."""
        return UpstreamTimeout("the upstream stopped taking the request")


def _name_of(code: int) -> str:
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"code {code}"
