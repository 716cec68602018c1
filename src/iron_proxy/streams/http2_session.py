"""
An HTTP/2 connection in action: a TLS stream, the protocol core, and the streams that are open on it.

One task reads frames and hands their events to streams; every stream's exchange runs in a task of its own and writes
through `flush_soon`, which joins what all of them have to send in one turn of the loop into one write.
"""

import asyncio
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from iron_proxy.errors import IronProxyError
from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    PeerGoingAway,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamFailed,
    StreamReset,
    TrailersReceived,
    WindowOpened,
)
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.server import Http2Server
from iron_proxy.streams import byte_stream
from iron_proxy.streams.byte_stream import MAX_PIECE_BYTES, StreamTimeout
from iron_proxy.streams.deadlines import sweep_of
from iron_proxy.streams.http1_reader import Stream
from iron_proxy.streams.http2_stream import Http2Stream

StreamT = TypeVar("StreamT", bound=Http2Stream)


class Http2Session(ABC, Generic[StreamT]):
    """What both roles share. `streams` holds those whose exchange is going on."""

    def __init__(self, stream: Stream, core: Http2Server | Http2Client, write_timeout: float) -> None:
        self.stream = stream
        self.core = core
        self.loop = asyncio.get_running_loop()
        self.streams: dict[int, StreamT] = {}
        self.is_congested = False             # the peer's TCP window is full: wait before writing more
        self.heard_at = self.loop.time()      # when the peer last sent anything
        self.sends = 0                        # counts the turns that streams take at the connection's window
        self._write_timeout = write_timeout
        self._sweep = sweep_of(self.loop)
        self._queued = 0                      # body bytes that the core holds for the next flush
        self._flush_is_due = False
        self._drain_lock = asyncio.Lock()     # the stream below knows one waiting writer

    # --- streams ----------------------------------------------------------------------------------------------------

    def add(self, stream: StreamT) -> None:
        """A stream's exchange begins."""
        self.streams[stream.id] = stream
        self._sweep.watch(stream)

    def remove(self, stream: StreamT) -> None:
        """A stream's exchange has ended; what its peer still sends is thrown away."""
        self._sweep.forget(stream)
        self.streams.pop(stream.id, None)
        stream.discard()

    def give_credit(self, stream_id: int, credit: int) -> None:
        """Let the sender of a stream send so much more."""
        if self.core.give_credit(stream_id, credit):
            self.flush_soon()

    # --- reading ----------------------------------------------------------------------------------------------------

    async def read_frames(self, timeout: float) -> bool:
        """Read once and hand on what came; False when the connection has ended. Raises StreamTimeout, StreamReset."""
        if self.is_congested:                # answers to PING and SETTINGS would pile up: first take, then send
            await self.drain(self._write_timeout)
        data = await self.stream.read(timeout)
        if not data:
            return False
        self.heard_at = now = self.loop.time()
        for event in self.core.receive(data, now):
            self._dispatch(event)
        self.flush_soon()
        return not self.core.has_failed

    def _dispatch(self, event: Event) -> None:
        match event:                         # attributes by name: each pattern for one would cost as much as a call
            case RequestReceived() | ResponseReceived():
                self.role_event(event)
            case DataReceived():
                if (stream := self.streams.get(event.stream_id)) is not None:
                    stream.receive_data(event.data, event.credit)
                else:
                    self.give_credit(event.stream_id, event.credit)
            case WindowOpened():
                self._wake_senders(event.stream_id)
            case TrailersReceived() | StreamEnded() | StreamReset() | StreamFailed():
                if (stream := self.streams.get(event.stream_id)) is not None:
                    self._tell(stream, event)
            case PeerGoingAway():
                self.peer_going_away()
            case ConnectionFailed(_, reason):
                self.connection_failed(reason)
            case _:
                self.role_event(event)

    def _tell(self, stream: StreamT, event: "TrailersReceived | StreamEnded | StreamReset | StreamFailed") -> None:
        match event:
            case StreamEnded():
                stream.receive_end()
            case TrailersReceived():
                stream.receive_trailers(event.pairs)
            case StreamReset(_, code):
                self.stream_reset(stream, code)
            case StreamFailed(_, error):
                self.stream_failed(stream, error)

    def _wake_senders(self, stream_id: int) -> None:
        if stream_id:
            if (stream := self.streams.get(stream_id)) is not None:
                stream.wake_sender()
            return
        # The first that runs may take all there is: so whoever sent longest ago goes first, or one long download would
        # leave nothing to the others.
        blocked = [each for each in self.streams.values() if each.is_blocked]
        for each in sorted(blocked, key=_last_send):
            each.wake_sender()

    # --- writing ----------------------------------------------------------------------------------------------------

    def note_queued(self, size: int) -> None:
        """So many bytes of a body were handed to the core: they go out soon, or now when it is a whole piece."""
        self._queued += size
        if self._queued >= MAX_PIECE_BYTES:
            self.flush()
        else:
            self.flush_soon()

    def flush_soon(self) -> None:
        """Write what the core holds at the end of this turn of the loop."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what the core holds now."""
        self._flush_is_due = False
        self._queued = 0
        data = self.core.take_outgoing()
        if data and not self.stream.is_gone:
            try:
                self.is_congested = self.stream.write_nowait(data)
            except byte_stream.StreamReset:  # whoever reads the connection learns of it
                self.is_congested = False

    async def drain(self, timeout: float) -> None:
        """Wait until the peer has taken enough. Raises what `write_failed` gives."""
        async with self._drain_lock:
            try:
                await self.stream.drain(timeout)
            except StreamTimeout as error:
                self.stream.abort()          # or every stream would wait as long, one after the other
                raise self.write_failed(error) from error
            except byte_stream.StreamReset as error:
                raise self.write_failed(error) from error
            self.is_congested = False

    def go_away(self, code: ErrorCode = ErrorCode.NO_ERROR) -> None:
        """Tell the peer that no new stream will be served; those that are open go on."""
        self.core.go_away(code)
        self.flush_soon()

    # --- the role's part --------------------------------------------------------------------------------------------

    @abstractmethod
    def doubt(self, since: float) -> None:
        """A stream has waited in vain since then: perhaps nobody is there any more."""

    @abstractmethod
    def role_event(self, event: Event) -> None:
        """A head, or what only one role meets."""

    def stream_failed(self, stream: StreamT, error: IronProxyError) -> None:
        """The peer broke a rule on a stream whose exchange is going on; it is reset."""
        stream.fail(error)

    @abstractmethod
    def stream_reset(self, stream: StreamT, code: int) -> None:
        """The peer has reset a stream whose exchange is going on."""

    @abstractmethod
    def peer_going_away(self) -> None:
        """The peer opens, or takes, no more streams."""

    @abstractmethod
    def connection_failed(self, reason: str) -> None:
        """The peer broke the rules; the GOAWAY that says so is ready to be written."""

    @abstractmethod
    def write_failed(self, error: Exception) -> IronProxyError:
        """The role's error for a connection that takes nothing more."""


def _last_send(stream: Http2Stream) -> int:
    return stream.last_send
