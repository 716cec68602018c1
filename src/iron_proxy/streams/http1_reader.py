"""
A stream and an HTTP/1 parser joined: heads and body pieces on demand, each wait with its own deadline.

Both sides use it: the client's connection for requests, the upstream's for responses. It is the `BodySource` of the
message it is reading.
"""

from abc import ABC, abstractmethod
from time import monotonic

from iron_proxy.errors import (
    ClientDisconnected,
    ClientTimeout,
    IronProxyError,
    UpstreamDisconnected,
    UpstreamTimeout,
)
from iron_proxy.messages.headers import Pair
from iron_proxy.protocols.http1.events import (
    CONNECTION_CLOSED,
    EndOfMessage,
    Event,
    RequestHead,
    ResponseHead,
)
from iron_proxy.protocols.http1.framing import NO_BODY
from iron_proxy.protocols.http1.request_parser import RequestParser
from iron_proxy.protocols.http1.response_parser import ResponseParser
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream

Stream = SocketStream | TLSStream


class _Reader(ABC):
    """What both roles share. `trailers` is filled when the body has been read to its end."""

    def __init__(self, stream: Stream, parser: RequestParser | ResponseParser) -> None:
        self.stream = stream
        self.parser = parser
        self.trailers: list[Pair] = []
        self.message_ended = True
        self.received_any = False             # since the last `begin`: tells a stale connection from a failing one
        self.body_timeout = 0.0

    async def _next_event(self, timeout: float) -> Event:
        """`timeout` is for the event, not for each of the reads it takes: a trickle does not stretch it."""
        parser = self.parser
        event = parser.next_event()
        started = monotonic()
        while event is None:
            try:
                data = await self.stream.read(timeout)
            except StreamTimeout as error:
                raise self._too_slow() from error
            except StreamReset as error:
                raise self._lost() from error
            event = self._take(data)
            if event is None:
                timeout = max(0.0, timeout - (monotonic() - started))
                started = monotonic()
        return event

    def _take(self, data: bytes) -> Event | None:
        """The next event once `data` has come; b"" is the end of the stream."""
        if not data:
            return self._receive_end()
        self.received_any = True
        self.parser.receive(data)
        return self.parser.next_event()

    def _receive_end(self) -> Event:
        return self.parser.receive_end()

    async def read_body(self) -> bytes:
        """The next piece of the body; b"" at its end."""
        if self.message_ended:
            return b""
        event = await self._next_event(self.body_timeout)
        if type(event) is bytes:
            self.message_ended = self.parser.has_ended
            return event
        self._end_message(event)
        return b""

    def read_body_nowait(self) -> bytes | None:
        """The next piece of the body if it has been received already; None when it would have to be waited for."""
        if self.message_ended:
            return b""
        event = self.parser.next_event()
        if type(event) is bytes:
            self.message_ended = self.parser.has_ended
            return event
        if event is None:
            return None
        self._end_message(event)
        return b""

    def _end_message(self, event: Event) -> None:
        self.message_ended = True
        if isinstance(event, EndOfMessage):
            self.trailers = event.trailers

    @abstractmethod
    def _too_slow(self) -> IronProxyError:
        """The error of a peer that overran a deadline."""

    @abstractmethod
    def _lost(self) -> IronProxyError:
        """The error of a connection that broke."""


class RequestReader(_Reader):
    """Requests from a client's connection."""

    parser: RequestParser

    def __init__(self, stream: Stream, body_timeout: float) -> None:
        super().__init__(stream, RequestParser())
        self.body_timeout = body_timeout

    async def read_head(self, idle_timeout: float, head_timeout: float) -> RequestHead | None:
        """
        The next request; None when the client closed, or said nothing for `idle_timeout` seconds.

        The head must be complete `head_timeout` seconds after its first byte, however slowly it trickles.
        Raises BadRequest, ClientTimeout, ClientDisconnected.
        """
        parser = self.parser
        parser.start_next()
        event = parser.next_event() if parser.unread else None
        if event is None and not parser.unread:
            try:
                data = await self.stream.read(idle_timeout)
            except (StreamTimeout, StreamReset):
                return None
            if not data:
                return None
            parser.receive(data)
            event = parser.next_event()
        if event is None:
            event = await self._rest_of_head(head_timeout)
        if not isinstance(event, RequestHead):
            return None
        self.trailers = []
        self.message_ended = event.framing is NO_BODY
        return event

    async def _rest_of_head(self, timeout: float) -> Event:
        parser = self.parser
        deadline = monotonic() + timeout
        while True:
            try:
                data = await self.stream.read(max(0.0, deadline - monotonic()))
            except StreamTimeout as error:
                if not parser.is_mid_message:
                    return CONNECTION_CLOSED
                raise ClientTimeout("the request head was not complete in time") from error
            except StreamReset as error:
                if not parser.is_mid_message:
                    return CONNECTION_CLOSED
                raise self._lost() from error
            if not data:
                return parser.receive_end()
            parser.receive(data)
            event = parser.next_event()
            if event is not None:
                return event

    def _too_slow(self) -> IronProxyError:
        return ClientTimeout("the request body did not arrive in time")

    def _lost(self) -> IronProxyError:
        return ClientDisconnected("the client's connection broke")


class ResponseReader(_Reader):
    """Responses from an upstream's connection."""

    parser: ResponseParser

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream, ResponseParser())

    async def read_head(self, timeout: float) -> ResponseHead:
        """
        The next response head, 1xx included. Raises UpstreamTimeout, UpstreamProtocolError, UpstreamDisconnected.
        """
        parser = self.parser
        event = parser.next_event() if parser.unread else None
        if event is None:
            # The first read is made here and not in _next_event: it is nearly always the only one.
            try:
                data = await self.stream.read(timeout)
            except StreamTimeout as error:
                raise self._too_slow() from error
            except StreamReset as error:
                raise self._lost() from error
            event = self._take(data) or await self._next_event(timeout)
        if not isinstance(event, ResponseHead):
            raise UpstreamDisconnected("the upstream closed the connection before it answered")
        if event.status >= 200 and event.framing is NO_BODY:
            self.message_ended = True
            self.parser.next_event()
        return event

    def _receive_end(self) -> Event:
        # Parity with curl and RFC 9112 section 9.8: a body that only the end of a TLS connection delimits is whole
        # only if the end was authenticated.
        if isinstance(self.stream, TLSStream) and not self.stream.ended_cleanly and self.parser.is_until_close:
            raise UpstreamDisconnected("the upstream's TLS connection ended without close_notify")
        return self.parser.receive_end()

    def _too_slow(self) -> IronProxyError:
        return UpstreamTimeout("the upstream did not answer or go on in time")

    def _lost(self) -> IronProxyError:
        return UpstreamDisconnected("the upstream's connection broke")
