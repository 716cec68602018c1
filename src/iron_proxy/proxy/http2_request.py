"""
One stream of a client's HTTP/2 connection: to the handler it is the client, to the request's body the source.

It offers what `ClientConnection` offers (`proxy/client.py` has the list), so that the main path is one for both
versions. What HTTP/1 says by closing a connection is a RST_STREAM here.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from iron_proxy.errors import ClientDisconnected, ClientError, ClientTimeout, IronProxyError
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body import Body
from iron_proxy.messages.body_memory import HeldBody
from iron_proxy.messages.headers import Pair
from iron_proxy.messages.response import Response, plain_text
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.proxy.handler import handle
from iron_proxy.proxy.request_life import RequestLife
from iron_proxy.proxy.services import Services
from iron_proxy.streams.http2_stream import Http2Stream

if TYPE_CHECKING:
    from iron_proxy.proxy.http2_connection import Http2ClientConnection

_NOTHING: frozenset[bytes] = frozenset()


class Http2Request(Http2Stream):
    """A request's stream. Lives in one task, which `client_has_left` cancels."""

    scheme = "https"
    prefers_http2 = True                      # towards the upstream, where it has a choice

    def __init__(
        self,
        connection: "Http2ClientConnection",
        stream_id: int,
        head: RequestHead,
        *,
        ends: bool = True,
        never_indexed: frozenset[bytes] = _NOTHING,
        error: ClientError | None = None,
    ) -> None:
        limits = connection.limits
        super().__init__(connection, stream_id, body_timeout=limits.request_body_idle, write_timeout=limits.write)
        self.connection = connection
        self.services: Services = connection.services
        self.peer = connection.stream.peer
        self.server_name = connection.server_name
        self.tunnel: Tunnel | None = connection.tunnel
        self.original_destination: Target | None = connection.original_destination
        self.client_name = connection.client_name
        self.never_indexed = never_indexed
        self.task: asyncio.Task[None] | None = None
        self.life: RequestLife | None = None
        self.keep_alive = True                # of no consequence here; the handler sets it for both versions
        self.response_started = False
        self.client_left = False
        self.violation: ClientError | None = None
        self._head = head
        self._error = error
        self._has_begun = False
        self._response_ended = False
        self._awaits_continue = head.expect == b"100-continue"
        if ends:
            self.receive_end()

    @property
    def reader(self) -> "Http2Request":
        """Where the request's body comes from."""
        return self

    async def serve(self) -> None:
        """Serve the request; then end what is still open of the stream."""
        self._has_begun = True
        self.connection.take_newest()
        self.services, self.client_name = self.connection.services, self.connection.client_name
        if self.client_left and self._error is None:     # reset before we came to it: only its record is left to do
            self._error = self.violation or ClientDisconnected("the client went away")
        await handle(self, self._head, self._error)
        if not self._response_ended:
            self.reset(ErrorCode.INTERNAL_ERROR)
        else:
            self.reset(ErrorCode.NO_ERROR)    # RFC 9113 section 8.1: what may be left of the request is not wanted

    def client_has_left(self) -> None:
        """The client reset the stream or is gone: its exchange ends."""
        self._give_up(ClientDisconnected("the client went away"))

    def client_broke_rule(self, error: IronProxyError) -> None:
        """The client broke a rule on the stream, which is reset: its exchange ends as well, for that reason."""
        if isinstance(error, ClientError) and not self.client_left:
            self.violation = error
        self._give_up(error)

    def _give_up(self, error: IronProxyError) -> None:
        self.fail(error)
        if not self.client_left:
            self.client_left = True
            # Not before its first step, or it would leave no record; nor once all was said, or its record were wrong.
            if self._has_begun and not self._response_ended and self.task is not None:
                self.task.cancel()

    # --- the request's body -----------------------------------------------------------------------------------------

    def hold_body(self) -> HeldBody:
        """Begin to count what is held of the body."""
        return self.services.process.hold_body(self.peer)

    async def read_body(self) -> bytes:
        """As `Http2Stream`; the client is first told to go on, if it waits for that."""
        if self._awaits_continue:
            self._awaits_continue = False
            self._send_head(100, [], end=False)
        return await super().read_body()

    def read_body_nowait(self) -> bytes | None:
        """As `Http2Stream`; a client that waits to be told has sent nothing."""
        return None if self._awaits_continue else super().read_body_nowait()

    # --- the response -----------------------------------------------------------------------------------------------

    async def respond(self, head: RequestHead, response: Response) -> None:
        """Send a whole response. Raises ClientDisconnected, ClientTimeout, UpstreamError."""
        body = response.body
        has_body = not (body.length == 0 or head.method == "HEAD" or response.status in (204, 304))
        length = body.length if has_body else _stated_length(head, response)
        self.response_started = True
        self._send_head(response.status, response.headers.fields, length=length, end=not has_body)
        if has_body:
            await self._send_body(body)
        self._response_ended = True

    async def _send_body(self, body: Body) -> None:
        """Each piece as it arrives; the last one ends the stream if it is known to be the last."""
        piece = body.read_nowait()
        if piece is None:
            piece = await body.read()
        while piece:
            following = body.read_nowait()
            if following == b"" and not body.trailers:
                await self.send_piece(piece, end=True)
                return
            await self.send_piece(piece)
            piece = await body.read() if following is None else following
        self.end(body.trailers)

    async def send_informational(self, head: ResponseHead) -> None:
        """
        Pass on a 1xx (RFC 9113 section 8.1). 100 is answered by us.

        No window bounds a head: a client that does not read must keep the next one at its upstream.
        """
        if head.status not in (100, 101):
            self._send_head(head.status, head.pairs, end=False)
            self.session.flush()
            if self.session.is_congested:
                await self.session.drain(self.write_timeout)

    async def answer(self, response: Response) -> None:
        """Send a short answer of our own."""
        await self.respond(self._head, response)

    async def answer_error(self, error: ClientError) -> None:
        """Answer what could not be read as a request."""
        if not self.response_started and not isinstance(error, ClientDisconnected):
            await self.answer(plain_text(error.status, str(error)))

    def break_off(self) -> None:
        """Reset the stream: never let a cut body pass for a whole one."""
        self._response_ended = True
        self.reset(ErrorCode.INTERNAL_ERROR)

    def _send_head(self, status: int, pairs: Iterable[Pair], *, length: int | None = None, end: bool) -> None:
        if self._failure is not None:
            raise self._failure
        self.connection.core.send_head(self.id, status, pairs, length=length, end=end)
        self.session.flush_soon()

    # --- errors -----------------------------------------------------------------------------------------------------

    def too_slow(self) -> IronProxyError:
        """The request's body did not come."""
        return ClientTimeout("the request body did not arrive in time")

    def stopped_reading(self) -> IronProxyError:
        """The response is not taken."""
        return ClientTimeout("the client stopped reading the response")


def _stated_length(head: RequestHead, response: Response) -> int | None:
    """The Content-Length of a response without a body (RFC 9110 section 8.6)."""
    if response.status == 204:
        return None
    if response.declared_length is not None and (response.status == 304 or head.method == "HEAD"):
        return response.declared_length
    return None if response.status == 304 else response.body.length
