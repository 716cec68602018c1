"""
A client's HTTP/2 connection: every stream is a request that goes through the same handler as one over HTTP/1.

The connection's task reads frames; each stream's exchange is a task of its own in its group, so that nothing outlives
the connection. Called where `ClientConnection` is, once ALPN has chosen h2.
"""

import asyncio
import logging
from time import monotonic

from iron_proxy.audit.record import EventRecord, timestamp
from iron_proxy.errors import ClientDisconnected, ClientTimeout, IronProxyError
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.http2.events import Event, RequestReceived, StreamRefused
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.server import Http2Server
from iron_proxy.proxy.connection import client_name
from iron_proxy.proxy.http2_request import Http2Request
from iron_proxy.proxy.services import Services
from iron_proxy.proxy.sight import RequestSight, Sight
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.http2_session import Http2Session
from iron_proxy.streams.tls_stream import TLSStream

# A stream that its client has reset may still have its exchange winding down here. As many again as may be open at once
# is more than an honest client ever has; beyond it the client resets faster than we can let go (CVE-2023-44487).
EXCHANGES_PER_STREAM = 2

_log = logging.getLogger("iron_proxy.proxy")


class Http2ClientConnection(Http2Session[Http2Request]):
    """A client's connection with what is known about it. `serve` ends with everything that began on it."""

    core: Http2Server

    def __init__(
        self,
        stream: TLSStream,
        services: Services,
        *,
        server_name: str,
        tunnel: Tunnel | None = None,
        original_destination: Target | None = None,
    ) -> None:
        self.services = services = services.newest
        self.limits = services.limits         # of the configuration in force when it began
        super().__init__(stream, Http2Server("https", self.limits.http2_streams), self.limits.write)
        self.server_name = server_name
        self.tunnel = tunnel
        self.original_destination = original_destination
        self.client_name = client_name(services, stream.peer, tunnel)
        self.since = monotonic()
        self._exchanges: asyncio.TaskGroup | None = None
        self._running = 0                     # exchanges, those of streams that were reset included
        self._frames_seen = 0
        self._frame_since: float | None = None     # what is incomplete has been so since then
        self._is_broken_off = False           # the client broke the rules
        self._is_leaving = False              # GOAWAY was sent: what is open is finished, nothing else is begun

    async def serve(self) -> None:
        """Serve streams until the client leaves or breaks the rules. Never raises for what a client does."""
        self.services.connections.add(self)
        try:
            async with asyncio.TaskGroup() as exchanges:
                self._exchanges = exchanges
                self.flush()
                if self.services.draining:
                    self.close_if_idle()
                await self._read()
                for request in tuple(self.streams.values()):
                    request.client_has_left()
            self._say_goodbye()
        except BaseException:
            self.stream.abort()                # answers that were cut must not end like whole ones
            raise
        finally:
            self.services.connections.discard(self)
            self.stream.close()

    async def _read(self) -> None:
        timeout = self.limits.first_byte
        try:
            while True:
                try:
                    if not await self.read_frames(timeout):
                        return
                except StreamTimeout:
                    if not self._running and self._frame_since is None:      # an open stream has deadlines of its own
                        return
                timeout = self._patience()
                if timeout <= 0:
                    self._break_off("a request head was not complete in time")
                    return
        except (StreamReset, IronProxyError):
            return

    def _patience(self) -> float:
        """
        How long the next bytes may take.

        A head, and whatever else belongs to no stream's body, has as long as a head in HTTP/1, all of it: it holds up
        all that would come behind it.
        """
        core, now = self.core, self.loop.time()
        is_incomplete = core.is_mid_head or (core.held_bytes > 0 and not self._running)
        if not is_incomplete or core.completed_frames != self._frames_seen:
            self._frames_seen, self._frame_since = core.completed_frames, None
        if not is_incomplete:
            return self.limits.idle
        if self._frame_since is None:
            self._frame_since = now
        return self._frame_since + self.limits.request_head - now

    def _say_goodbye(self) -> None:
        if not self.core.has_failed:
            self.core.go_away(ErrorCode.NO_ERROR)
        self.flush()

    # --- streams ----------------------------------------------------------------------------------------------------

    def role_event(self, event: Event) -> None:
        """A request, or what was meant to be one."""
        match event:
            case RequestReceived():
                sensitive = event.never_indexed
                self._begin(Http2Request(self, event.stream_id, event.head, ends=event.ends, never_indexed=sensitive))
            case StreamRefused(stream_id, error, head):
                self._begin(Http2Request(self, stream_id, head, error=error))
            case _:
                pass                           # settings and pings are the core's own business

    def _begin(self, request: Http2Request) -> None:
        if self._exchanges is None or (self._is_leaving and not self._is_broken_off):
            self.core.reset(request.id, ErrorCode.REFUSED_STREAM)     # not begun: the client may ask elsewhere
            return
        if self._running >= EXCHANGES_PER_STREAM * self.limits.http2_streams or self._is_broken_off:
            self._break_off("the client resets streams faster than they can be ended")
            request.client_has_left()          # only its record is left to do
        self._running += 1
        self.add(request)
        request.task = self._exchanges.create_task(self._exchange(request), name=f"stream {request.id}")

    def take_newest(self) -> None:
        """Of a configuration that was replaced since the last request: the next one is judged by the new one."""
        if self.services.process.newest is not self.services:
            self.services = self.services.newest
            self.client_name = client_name(self.services, self.stream.peer, self.tunnel)

    def _break_off(self, reason: str) -> None:
        if self._is_broken_off:
            return
        self.core.go_away(ErrorCode.ENHANCE_YOUR_CALM)
        self.connection_failed(reason)
        self.flush()
        self.stream.close()

    async def _exchange(self, request: Http2Request) -> None:
        try:
            await request.serve()
        except Exception as error:  # noqa: BLE001 - one stream ends; every other goes on
            # The type only: the text of a foreign exception may quote what a client sent, or a secret.
            _log.error("stream failed", extra={"fields": {"error": type(error).__name__}})
            request.break_off()
        finally:
            self._running -= 1
            self.remove(request)
            if self._is_leaving and not self._running:
                self.flush()
                self.stream.close()

    def stream_reset(self, stream: Http2Request, code: int) -> None:
        """The client has no more use for a request."""
        stream.client_has_left()

    def stream_failed(self, stream: Http2Request, error: IronProxyError) -> None:
        """The client broke a rule on a stream: nobody can be answered there any more."""
        stream.client_broke_rule(error)

    def doubt(self, since: float) -> None:
        """The connection has a deadline of its own for that."""

    def peer_going_away(self) -> None:
        """The client opens no more streams; those that are open go on."""

    def connection_failed(self, reason: str) -> None:
        """The client broke the rules: its connection ends with a record of its own; no other request is forwarded."""
        if self._is_broken_off:
            return
        self._is_broken_off = self._is_leaving = True
        self.services.audit.emit(
            EventRecord(
                time=timestamp(),
                level="WARN",
                event="connection",
                action="reject",
                reason=reason,
                remote_addr=self.stream.peer,
            )
        )

    def write_failed(self, error: Exception) -> IronProxyError:
        """The client's fault, for each exchange that wanted to write."""
        if isinstance(error, StreamTimeout):
            return ClientTimeout("the client stopped reading the response")
        return ClientDisconnected("the client's connection broke")

    def close_if_idle(self) -> None:
        """For draining: no stream is begun any more; the last one that is open ends the connection."""
        self._is_leaving = True
        self.core.go_away(ErrorCode.NO_ERROR)
        self.flush()
        if not self._running:
            self.stream.close()

    def sight(self) -> Sight:
        """For whoever looks at the process."""
        lives = [request.life for request in self.streams.values() if request.life is not None]
        return Sight(
            "http/2",
            self.stream.peer,
            monotonic() - self.since,
            self.stream.extra("socket"),
            client=self.client_name,
            target=self.server_name if self.tunnel is None else str(self.tunnel.target),
            is_tunnel=self.tunnel is not None,
            generation=self.services.snapshot.generation,
            requests=tuple(map(RequestSight.of, lives)),
        )
