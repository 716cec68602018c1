"""
One HTTP/2 connection without I/O (RFC 9113): what both roles share. `server.py` and `client.py` add the heads.

`receive` takes bytes and gives events, the same however the bytes are cut; it never raises. What is to be written
collects in order and is taken by `take_outgoing`. What a connection holds is bounded: one frame or head that is not
complete, and up to 100 streams; the bodies are the caller's to hold, and our windows bound them (`give_credit`).
"""

from abc import abstractmethod
from collections.abc import Sequence

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.headers import Fields
from iron_proxy.protocols.http2 import frames, limits
from iron_proxy.protocols.http2.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    PeerGoingAway,
    PingAnswered,
    SettingsChanged,
    StreamEnded,
    StreamFailed,
    StreamReset,
    TrailersReceived,
    WindowOpened,
)  # fmt: skip
from iron_proxy.protocols.http2.flood_guard import FloodGuard
from iron_proxy.protocols.http2.frame_reader import FrameReader
from iron_proxy.protocols.http2.frames import ConnectionViolation, ErrorCode
from iron_proxy.protocols.http2.header_rules import read_trailers
from iron_proxy.protocols.http2.hpack import Field, FieldDecoder
from iron_proxy.protocols.http2.sending import SendingSide
from iron_proxy.protocols.http2.stream import UNKNOWN_LENGTH, Stream


class Http2Connection(SendingSide):
    """What both roles share. After ConnectionFailed nothing is read or sent any more."""

    def __init__(
        self, reader: FrameReader, decoder: FieldDecoder, guard: FloodGuard, opening: bytes, connection_window: int
    ) -> None:
        super().__init__(opening, connection_window, guard)
        self._reader = reader
        self._decoder = decoder
        self._events: list[Event] = []
        self._now = 0.0
        self._known_trailers: tuple[Sequence[Field], Fields] | None = None  # mostly they are the same ones

    def receive(self, data: bytes, now: float = 0.0) -> list[Event]:
        """The events of these bytes. `now` is any clock in seconds that does not go back: floods are judged by it."""
        if self.has_failed:
            return []
        self._now = now
        events = self._events = []
        try:
            for kind, flags, stream_id, payload, credit in self._reader.read(data):
                if kind == frames.DATA:
                    self._read_body(flags, stream_id, payload, credit)
                elif kind == frames.HEADERS:
                    fields = self._decoder.decode(payload)
                    self._read_fields(stream_id, fields, ends=flags & frames.END_STREAM != 0)
                else:
                    self._read_control(kind, flags, stream_id, payload)
        except ConnectionViolation as violation:
            self._fail(violation.code, violation.reason)
        return events

    def _read_control(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        # No table of bound methods: the connection would be in a cycle with its own, and wait for the collector.
        match kind:
            case frames.WINDOW_UPDATE:
                self._read_window_update(flags, stream_id, payload)
            case frames.RST_STREAM:
                self._read_reset(flags, stream_id, payload)
            case frames.SETTINGS:
                self._read_settings(flags, stream_id, payload)
            case frames.PING:
                self._read_ping(flags, stream_id, payload)
            case frames.GOAWAY:
                self._read_go_away(flags, stream_id, payload)
            case _:
                self._read_idle_frame(flags, stream_id, payload)

    @property
    def held_bytes(self) -> int:
        """How much is held of a frame or head that is not complete."""
        return self._reader.held_bytes

    @property
    def is_mid_head(self) -> bool:
        """Whether what has come ends within a head, or anything else that is no frame of a body."""
        return self._reader.is_mid_head

    @property
    def completed_frames(self) -> int:
        """How many frames have come; a head counts once, with its last."""
        return self._reader.completed

    def _fail(self, code: ErrorCode, reason: str) -> None:
        self.has_failed = True
        self._streams.clear()
        self._outgoing.append(frames.go_away(self._highest, code))
        self._events.append(ConnectionFailed(code, reason))

    # --- messages ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def _read_fields(self, stream_id: int, fields: Sequence[Field], *, ends: bool) -> None:
        """A head or trailers have come in. Raises ConnectionViolation."""

    @abstractmethod
    def _is_idle(self, stream_id: int) -> bool:
        """Whether nobody has opened this stream yet."""

    @abstractmethod
    def _refusal(self, reason: str) -> IronProxyError:
        """The error of a peer whose message breaks a rule."""

    def _read_body(self, flags: int, stream_id: int, data: bytes, credit: int) -> None:
        if credit and not self._incoming.receive(credit):
            raise ConnectionViolation(ErrorCode.FLOW_CONTROL_ERROR, "the peer sends more than the window allows")
        ends = flags & frames.END_STREAM
        if not data and not ends:
            self._guard.idle_frames.spend(self._now)
        stream = self._streams.get(stream_id)
        if stream is None:
            self.give_credit(stream_id, credit)
            self._check_late(stream_id)
            return
        violation = self._why_not_body(stream, data, credit, ends)
        if violation is not None or stream.discards or not data:
            self.give_credit(stream_id, credit)
        else:
            self._events.append(DataReceived(stream_id, data, credit))
        if violation is not None:
            self._fail_stream(stream, *violation)
        elif ends:
            self._end_receiving(stream)

    def _why_not_body(self, stream: Stream, data: bytes, credit: int, ends: int) -> tuple[str, ErrorCode] | None:
        if not stream.receiving:
            return "data after the end of the stream", ErrorCode.STREAM_CLOSED
        if not stream.incoming.receive(credit):
            return "more data than the stream's window allows", ErrorCode.FLOW_CONTROL_ERROR
        if not stream.has_head and not stream.discards:
            return "data before the head", ErrorCode.PROTOCOL_ERROR
        stream.received += len(data)
        if stream.expected != UNKNOWN_LENGTH:
            if stream.received > stream.expected:
                return "the body is longer than its Content-Length", ErrorCode.PROTOCOL_ERROR
            if ends and stream.received < stream.expected:
                return "the body is shorter than its Content-Length", ErrorCode.PROTOCOL_ERROR
        return None

    def _read_trailers(self, stream: Stream, fields: Sequence[Field], *, ends: bool) -> None:
        if not stream.receiving:
            self._fail_stream(stream, "a head after the end of the stream", ErrorCode.STREAM_CLOSED)
            return
        if stream.discards:
            if ends:
                self._end_receiving(stream)
            return
        if not ends:
            self._fail_stream(stream, "a second head", ErrorCode.PROTOCOL_ERROR)
        elif not stream.is_whole:
            self._fail_stream(stream, "the body is shorter than its Content-Length", ErrorCode.PROTOCOL_ERROR)
        else:
            try:
                pairs = self._trailers_of(fields)
            except IronProxyError as error:
                self._fail_stream(stream, error, ErrorCode.PROTOCOL_ERROR)
                return
            if pairs:
                self._events.append(TrailersReceived(stream.id, pairs))
            self._end_receiving(stream)

    def _trailers_of(self, fields: Sequence[Field]) -> Fields:
        known = self._known_trailers
        if known is None or known[0] is not fields:
            known = self._known_trailers = (fields, read_trailers(fields, self._refusal))
        return known[1]

    def _end_receiving(self, stream: Stream) -> None:
        self._close_receiving(stream)
        if not stream.discards:
            self._events.append(StreamEnded(stream.id))

    def _close_receiving(self, stream: Stream) -> None:
        stream.receiving = False
        if not stream.sending:
            self._streams.pop(stream.id, None)

    def _fail_stream(self, stream: Stream, reason: str | IronProxyError, code: ErrorCode) -> None:
        """Reset a stream whose peer broke a rule. Raises ConnectionViolation if that happens too often."""
        self.reset(stream.id, code)
        error = self._refusal(reason) if isinstance(reason, str) else reason
        error.__traceback__ = None  # it would keep all that was decoded as long as the exchange lives
        self._events.append(StreamFailed(stream.id, error))
        self._guard.provoked_resets.spend(self._now)

    def _check_late(self, stream_id: int) -> None:
        """Whether a message's frame may come in on a stream that is not open: only if the peer may not know it yet."""
        if self._is_idle(stream_id):
            raise ConnectionViolation(ErrorCode.PROTOCOL_ERROR, "a frame on a stream that nobody has opened")
        self._guard.late_frames.spend(self._now)
        if stream_id not in self._reset_by_us:
            raise ConnectionViolation(ErrorCode.STREAM_CLOSED, "a frame on a stream that has ended")

    # --- other frames -----------------------------------------------------------------------------------------------

    def _read_idle_frame(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._guard.idle_frames.spend(self._now)  # PRIORITY and unknown types: to be ignored

    def _read_reset(self, flags: int, stream_id: int, payload: bytes) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._guard.resets.spend(self._now)
            self._events.append(StreamReset(stream_id, frames.read_word(payload)))
        elif self._is_idle(stream_id):
            raise ConnectionViolation(ErrorCode.PROTOCOL_ERROR, "a frame on a stream that nobody has opened")
        else:
            self._guard.late_frames.spend(self._now)

    def _read_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._guard.pings.spend(self._now)
        if flags & frames.ACK:
            self._events.append(PingAnswered(payload))
        else:
            self._outgoing.append(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _read_go_away(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._guard.settings.spend(self._now)
        last = frames.read_word(payload) & 0x7FFFFFFF
        self._on_go_away(last)
        self._events.append(PeerGoingAway(last, frames.read_word(payload, 4)))

    @abstractmethod
    def _on_go_away(self, last: int) -> None:
        """The peer takes no streams of ours after `last`."""

    def _read_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._guard.window_updates.spend(self._now)
        increment = frames.read_word(payload) & 0x7FFFFFFF
        if not stream_id:
            self._send_window += increment
            if not increment or self._send_window > limits.MAX_WINDOW:
                code = ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR
                raise ConnectionViolation(code, "a WINDOW_UPDATE by nothing or beyond the largest window")
            self._events.append(WindowOpened(0))
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            if self._is_idle(stream_id):
                raise ConnectionViolation(ErrorCode.PROTOCOL_ERROR, "a frame on a stream that nobody has opened")
            return
        stream.send_window += increment
        if not increment or stream.send_window > limits.MAX_WINDOW:
            code = ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR
            self._fail_stream(stream, "a WINDOW_UPDATE by nothing or beyond the largest window", code)
        elif stream.sending:
            self._events.append(WindowOpened(stream_id))

    # --- settings ---------------------------------------------------------------------------------------------------

    def _read_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._guard.settings.spend(self._now)
        if flags & frames.ACK:
            return
        for setting, value in frames.read_settings(payload):
            self._take_setting(setting, value)
        self._outgoing.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._events.append(SettingsChanged())

    def _take_setting(self, setting: int, value: int) -> None:
        if setting == frames.SETTING_INITIAL_WINDOW_SIZE:
            self._change_initial_window(value)
        elif setting == frames.SETTING_HEADER_TABLE_SIZE:
            self._encoder.limit_table(value)
        elif setting == frames.SETTING_MAX_FRAME_SIZE:  # ours are never larger than the smallest that it can allow
            if not limits.MAX_FRAME_BYTES <= value < 2**24:
                raise ConnectionViolation(ErrorCode.PROTOCOL_ERROR, "a setting has a value that it cannot have")
        elif setting == frames.SETTING_ENABLE_PUSH:
            self._check_push(value)
        elif setting == frames.SETTING_MAX_CONCURRENT_STREAMS:
            self._limit_streams(value)
        elif setting == frames.SETTING_MAX_HEADER_LIST_SIZE:
            self._limit_heads(value)

    def _change_initial_window(self, size: int) -> None:
        if size > limits.MAX_WINDOW:
            raise ConnectionViolation(ErrorCode.FLOW_CONTROL_ERROR, "the initial window is larger than a window can be")
        change, self._initial_send_window = size - self._initial_send_window, size
        for stream in self._streams.values():  # RFC 9113 section 6.9.2: it may become negative
            stream.send_window += change
            if stream.send_window > limits.MAX_WINDOW:
                raise ConnectionViolation(ErrorCode.FLOW_CONTROL_ERROR, "a window is larger than a window can be")
        if change > 0 and self._streams:
            self._events.append(WindowOpened(0))

    @abstractmethod
    def _check_push(self, value: int) -> None:
        """Raise ConnectionViolation unless the peer may set ENABLE_PUSH to this."""

    def _limit_streams(self, value: int) -> None:
        """The peer takes so many streams of ours at once. A server opens none."""

    def _limit_heads(self, value: int) -> None:
        """The peer takes no larger heads. A server sends what it was told to: the client asked for it."""
