"""
One client connection: read a head, hand it to the handler, again until either side wants no more.

The streams of HTTP/2 enter the same handler from `http2_connection.py`. Called by `listeners/` and, inside tunnels, by
`inner_protocol.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic

from iron_proxy.errors import ClientDisconnected, ClientError, ClientTimeout
from iron_proxy.messages.authority import Target
from iron_proxy.messages.body_memory import HeldBody
from iron_proxy.messages.response import Response, plain_text
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead
from iron_proxy.protocols.http1.serializer import CONTINUE, serialize_head
from iron_proxy.proxy import timeouts
from iron_proxy.proxy.request_life import RequestLife
from iron_proxy.proxy.respond import respond
from iron_proxy.proxy.services import Services
from iron_proxy.proxy.sight import RequestSight, Sight
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.http1_reader import RequestReader, Stream

# Called with each head, or with the error that kept a head from being read: both are a request with an audit record.
Handler = Callable[["ClientConnection", RequestHead | ClientError], Awaitable[None]]


class ClientConnection:
    """A client's stream with what is known about it. It lives in one task, which `client_left` cancels."""

    prefers_http2 = False
    never_indexed: frozenset[bytes] = frozenset()
    violation: ClientError | None = None          # HTTP/1 answers it

    def __init__(
        self,
        stream: Stream,
        services: Services,
        *,
        scheme: str,
        server_name: str = "",
        tunnel: Tunnel | None = None,
        original_destination: Target | None = None,
    ) -> None:
        self.stream = stream
        self.peer = stream.peer
        self.services = services = services.newest
        self._process = services.process
        self._limits = services.limits
        self.scheme = scheme
        self.server_name = server_name
        self.tunnel = tunnel
        self.original_destination = original_destination
        # Which of the configured clients this is; inside a tunnel what was found when it was opened.
        self.client_name = client_name(services, stream.peer, tunnel)
        self.reader = _ContinuingReader(stream, self)
        self.since = monotonic()
        self.life: RequestLife | None = None
        self.keep_alive = True                    # after the exchange that is going on
        self.response_started = False
        self.client_left = False
        self.tunnel_life: RequestLife | None = None      # of the tunnel that it has opened, until that has ended
        self.is_tunnel = False                    # CONNECT was answered: what follows is not for us to read as HTTP
        self.awaits_continue = False              # the client waits for our 100 before it sends its body
        self._in_exchange = False
        self._lingers = False                     # the client may still be sending what nobody will read
        self._head: RequestHead | None = None
        self._task: asyncio.Task[object] | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._client_has_ended = False            # its direction: a half-close, or all of it

    async def serve(self, handler: Handler) -> None:
        """Serve requests until the connection should close; then close it. Never raises for what a client does."""
        self._task = asyncio.current_task()
        self.stream.on_end(self._note_end)
        self.services.connections.add(self)
        idle_timeout = self._limits.first_byte
        try:
            while not self._process.draining:
                head: RequestHead | ClientError | None
                try:
                    head = await self.reader.read_head(idle_timeout, self._limits.request_head)
                except ClientError as error:
                    head = error
                if head is None:
                    return
                self._begin(head)
                await handler(self, head)
                self._in_exchange = False
                if self.client_left:
                    await self._take_back_cancellation()
                    return
                if self.is_tunnel:
                    return
                if self._lingers or not self.reader.message_ended:      # a body that nobody wanted may still be coming
                    await self._linger()
                    return
                if not self.keep_alive:
                    return
                idle_timeout = self._limits.idle
        except BaseException:
            self.stream.abort()                    # an answer that was cut must not end like a whole one
            raise
        finally:
            self._end()

    async def _take_back_cancellation(self) -> None:
        """
        End the cancellation by which a leaving client ended its exchange: the task is to finish, not to be cancelled.

        It may still be on its way, when the exchange had ended by itself in the same moment.
        """
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            pass
        while self._task is not None and self._task.cancelling():
            self._task.uncancel()

    def _end(self) -> None:
        self._in_exchange = False
        self.services.connections.discard(self)
        if self._grace is not None:
            self._grace.cancel()
        self._task = None
        self.reader.let_go()
        if not self.is_tunnel:
            self.stream.close()

    def _begin(self, head: RequestHead | ClientError) -> None:
        self.response_started = False
        if self._process.newest is not self.services:
            self._take_newest()
        if isinstance(head, ClientError):
            self.keep_alive = False
            self._head = None
            return
        self.keep_alive = head.keep_alive and not self._process.draining
        self.awaits_continue = head.expect == b"100-continue"
        self._head = head
        self._in_exchange = True
        if self._grace is not None:                # it was the last exchange's, whose client had already ended
            self._grace.cancel()
            self._grace = None
        if self._client_has_ended:
            self._note_end()

    def _take_newest(self) -> None:
        """The configuration was replaced since the last request: this one is judged by the new one."""
        self.services = self.services.newest
        self._limits = self.services.limits
        self.reader.body_timeout = self._limits.request_body_idle
        self.client_name = client_name(self.services, self.peer, self.tunnel)

    async def _linger(self) -> None:
        """End our direction and read on for a moment, so that the answer is not destroyed by a reset."""
        if self.stream.is_gone:
            return
        try:
            async with asyncio.timeout(timeouts.LINGER):
                await self.stream.write_end()
                left = timeouts.LINGER_BYTES
                while left > 0 and (data := await self.stream.read(timeouts.LINGER)):
                    left -= len(data)
        except (TimeoutError, StreamReset, StreamTimeout):
            pass

    # --- writing ----------------------------------------------------------------------------------------------------

    def write_nowait(self, data: bytes) -> bool:
        """Send bytes of an answer; True when `drain` should be awaited. Raises ClientDisconnected."""
        try:
            return self.stream.write_nowait(data)
        except StreamReset as error:
            raise ClientDisconnected("the client's connection broke") from error

    async def write(self, data: bytes) -> None:
        """Send bytes of an answer. Raises ClientDisconnected, ClientTimeout."""
        if self.write_nowait(data):
            await self.drain()

    async def drain(self) -> None:
        """Wait until the client has taken enough of it. Raises ClientDisconnected, ClientTimeout."""
        try:
            await self.stream.drain(self._limits.write)
        except StreamTimeout as error:
            raise ClientTimeout("the client stopped reading the response") from error
        except StreamReset as error:
            raise ClientDisconnected("the client's connection broke") from error

    async def send_informational(self, head: ResponseHead) -> None:
        """Pass on a 1xx (RFC 9110 section 15.2). 100 is answered by us; HTTP/1.0 knows none."""
        if self._head is not None and self._head.minor_version == 1 and head.status != 100:
            await self.write(serialize_head(b"HTTP/1.1 %d %b" % (head.status, head.reason), None, head.pairs, b""))

    def respond(self, head: RequestHead, response: Response) -> Coroutine[None, None, None]:
        """As `respond.respond`, without another coroutine around it."""
        return respond(self, head, response)

    async def answer_error(self, error: ClientError) -> None:
        """Answer what could not be read as a request, and close. The body that may follow is not read."""
        self.keep_alive = False
        if self.response_started or isinstance(error, ClientDisconnected):
            return
        self._lingers = True
        await self.answer(plain_text(error.status, str(error)))

    async def answer(self, response: Response) -> None:
        """Send a short answer of our own. A request body that nobody read means that the connection ends after it."""
        if not self.reader.message_ended:
            self.keep_alive = False
        answers_head = self._head is not None and self._head.method == "HEAD"
        body = b"" if answers_head else response.body.read_nowait() or b""
        framing = b"Content-Length: %d\r\n" % (response.body.length or 0)
        if not self.keep_alive:
            framing += b"Connection: close\r\n"
        self.response_started = True
        start_line = b"HTTP/1.1 %d %b" % (response.status, response.reason)
        await self.write(serialize_head(start_line, None, response.headers.fields, framing) + body)

    def break_off(self) -> None:
        """Drop the connection with a reset: never let a cut body pass for a whole one."""
        self.keep_alive = False
        self.stream.abort()

    # --- a client that leaves ---------------------------------------------------------------------------------------

    def _note_end(self) -> None:
        """The client's direction has ended. While an exchange is going on, that may mean that nobody waits for it."""
        self._client_has_ended = True
        if not self._in_exchange:
            return
        if self.stream.is_gone:
            self._give_up()
        elif self._grace is None:
            self._grace = asyncio.get_running_loop().call_later(timeouts.HALF_CLOSE_GRACE, self._give_up)

    def begin_relay(self) -> None:
        """From now on the end of the client's direction is a half-close, which the relay passes on."""
        self.stream.on_end(None)
        if self._grace is not None:
            self._grace.cancel()

    def leave_http(self) -> None:
        """The stream is a tunnel from now on, for whoever called `serve` to go on with."""
        self.is_tunnel = True
        self.stream.on_end(None)

    def _give_up(self) -> None:
        if self._in_exchange and self._task is not None and not self.client_left:
            self.client_left = True
            self._task.cancel()

    def close_if_idle(self) -> None:
        """For draining: a connection between two requests has nothing to wait for."""
        if not self._in_exchange:
            self.stream.close()

    def sight(self) -> Sight:
        """For whoever looks at the process."""
        return Sight(
            "http/1.1",
            self.peer,
            monotonic() - self.since,
            self.stream.extra("socket"),
            client=self.client_name,
            target=self.server_name if self.tunnel is None else str(self.tunnel.target),
            is_tunnel=self.tunnel is not None,
            generation=self.services.snapshot.generation,
            requests=() if self.life is None else (RequestSight.of(self.life),),
        )


def client_name(services: Services, peer: str, tunnel: Tunnel | None) -> str:
    """
    Which of the configured clients a connection is from.

    Inside a tunnel it is who opened it, for as long as there is a client of that name.
    """
    clients = services.snapshot.clients
    if tunnel is None:
        return clients.by_address(peer)
    return tunnel.client_name if clients.includes(tunnel.client_name) else ""


class _ContinuingReader(RequestReader):
    """A request reader that says `100 Continue` once somebody wants the body, and not before policy said yes."""

    def __init__(self, stream: Stream, client: ClientConnection) -> None:
        super().__init__(stream, client.services.limits.request_body_idle)
        self._process = client.services.process
        self._client: ClientConnection | None = client

    def let_go(self) -> None:
        """The connection has ended, or is no longer ours to read: hold nobody who holds this."""
        self._client = None
        self.parser.let_go()

    def hold_body(self) -> HeldBody:
        return self._process.hold_body(self.stream.peer)

    async def read_body(self) -> bytes:
        client = self._client
        if client is not None and client.awaits_continue:
            client.awaits_continue = False
            await client.write(CONTINUE)
        return await super().read_body()

    def read_body_nowait(self) -> bytes | None:
        client = self._client
        if client is not None and client.awaits_continue:
            return None
        return super().read_body_nowait()
