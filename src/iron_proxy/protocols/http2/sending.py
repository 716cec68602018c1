"""
The sending half of an HTTP/2 connection: the streams, what may be sent on them, and the bytes that are to be written.

Bytes are put into the outgoing list as they are, and joined once. A stream that is gone is an error here and not an
event: the caller may be about to send when it has not yet read that its peer gave up.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.headers import Pair
from iron_proxy.protocols.http2 import frames, limits
from iron_proxy.protocols.http2.flood_guard import FloodGuard
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.hpack import Field, FieldEncoder
from iron_proxy.protocols.http2.limits import MAX_FRAME_BYTES
from iron_proxy.protocols.http2.outbound_fields import FieldWriter
from iron_proxy.protocols.http2.stream import ReceiveWindow, Stream

# RFC 9113 section 6.9.2: what both windows are before anybody says otherwise.
DEFAULT_WINDOW = 65_535


class SendingSide(ABC):
    """What is sent. `opening` is what this role begins with, and `connection_window` what the peer may send in all."""

    def __init__(self, opening: bytes, connection_window: int, guard: FloodGuard) -> None:
        self.has_failed = False  # the peer broke the protocol: write what is outgoing and close
        self._streams: dict[int, Stream] = {}
        self._highest = 0  # the last stream that the peer has opened
        self._reset_by_us: dict[int, None] = {}  # in order, so that the oldest can be forgotten
        self._guard = guard
        self._encoder = FieldEncoder()
        self._writer = FieldWriter()
        self._outgoing: list[bytes | memoryview] = [
            opening, frames.window_update(0, connection_window - DEFAULT_WINDOW)
        ]  # fmt: skip
        self._send_window = DEFAULT_WINDOW
        self._initial_send_window = DEFAULT_WINDOW
        self._incoming = ReceiveWindow(connection_window)
        self._goes_away_after: int | None = None  # the last stream of the peer's that we still take

    def take_outgoing(self) -> bytes:
        """What is to be written now, in order; b"" if nothing."""
        outgoing = self._outgoing
        if not outgoing:
            return b""
        self._outgoing = []
        return b"".join(outgoing)

    # --- streams ----------------------------------------------------------------------------------------------------

    @property
    def open_streams(self) -> int:
        """How many streams are not closed."""
        return len(self._streams)

    def is_open(self, stream_id: int) -> bool:
        """Whether a side of this stream may still send."""
        return stream_id in self._streams

    def window(self, stream_id: int) -> int:
        """How many bytes `send_data` would take now; 0 also where nothing can be sent any more."""
        stream = self._streams.get(stream_id)
        if stream is None or not stream.sending:
            return 0
        return max(0, min(self._send_window, stream.send_window))

    def send_data(self, stream_id: int, data: bytes | memoryview, *, end: bool) -> int:
        """
        Send as much as the windows allow; returns how many bytes were taken. `end` counts only if all were.

        What is left is for the caller to keep until WindowOpened. A memoryview must not change before the next
        `take_outgoing`. Raises what `_gone` makes.
        """
        stream = self._sending(stream_id)
        size = len(data)
        taken = max(0, min(size, self._send_window, stream.send_window))
        ends = end and taken == size
        if taken:
            self._write_body(stream_id, data, taken, ends=ends)
            stream.send_window -= taken
            self._send_window -= taken
        elif ends:
            self._outgoing.append(frames.frame(frames.DATA, frames.END_STREAM, stream_id))
        if ends:
            self._end_sending(stream)
        return taken

    def _write_body(self, stream_id: int, data: bytes | memoryview, taken: int, *, ends: bool) -> None:
        outgoing = self._outgoing
        if taken >= limits.DRIBBLE_BYTES or ends:
            count = limits.WINDOW_UPDATES_PER_DATA_FRAME * (taken // MAX_FRAME_BYTES + 1)
            self._guard.window_updates.earn(count)
        if taken <= MAX_FRAME_BYTES:
            flags = frames.END_STREAM if ends else 0
            outgoing.append(frames.frame_header(frames.DATA, flags, stream_id, taken))
            outgoing.append(data if taken == len(data) else data[:taken])
            return
        view = memoryview(data)
        for at in range(0, taken, MAX_FRAME_BYTES):
            piece = view[at : min(at + MAX_FRAME_BYTES, taken)]
            flags = frames.END_STREAM if ends and at + MAX_FRAME_BYTES >= taken else 0
            outgoing.append(frames.frame_header(frames.DATA, flags, stream_id, len(piece)))
            outgoing.append(piece)

    def send_trailers(self, stream_id: int, pairs: Iterable[Pair], *, sensitive: Collection[bytes] = ()) -> None:
        """End our message with fields. Raises what `_gone` makes, and IronProxyError if one is not well formed."""
        stream = self._sending(stream_id)
        fields = self._writer.trailers(pairs, sensitive)
        if fields:
            self._write_fields(stream, fields, end=True)
        else:
            self.end_stream(stream_id)

    def end_stream(self, stream_id: int) -> None:
        """End our message. Raises what `_gone` makes."""
        self.send_data(stream_id, b"", end=True)

    def reset(self, stream_id: int, code: ErrorCode = ErrorCode.CANCEL) -> None:
        """Break a stream off. Nothing happens if it is gone already."""
        if self._streams.pop(stream_id, None) is not None:
            self._write_reset(stream_id, code)

    # --- the connection ---------------------------------------------------------------------------------------------

    def give_credit(self, stream_id: int, count: int) -> bool:
        """
        Let the peer send as many bytes again as a DataReceived had credit. Returns whether it is to be told now.

        To be called once for each, when its bytes have been taken or thrown away, also if the stream has ended since:
        the connection's window is shared, and what is not given back is lost to the other streams.
        """
        if self.has_failed:
            return False
        tells = False
        if increment := self._incoming.give_back(count):
            self._outgoing.append(frames.window_update(0, increment))
            tells = True
        stream = self._streams.get(stream_id)
        if stream is not None and stream.receiving and (increment := stream.incoming.give_back(count)):
            self._outgoing.append(frames.window_update(stream_id, increment))
            tells = True
        return tells

    def go_away(self, code: ErrorCode = ErrorCode.NO_ERROR, last_stream: int | None = None) -> None:
        """Take no streams of the peer's after `last_stream`, or after the last one seen. Those before it go on."""
        if not self.has_failed:
            self._goes_away_after = self._highest if last_stream is None else last_stream
            self._outgoing.append(frames.go_away(self._goes_away_after, code))

    def ping(self, opaque: bytes) -> None:
        """Ask for an answer; `opaque` is eight bytes that come back in PingAnswered."""
        if len(opaque) != 8:
            raise ValueError("a ping carries eight bytes")
        if not self.has_failed:
            self._outgoing.append(frames.frame(frames.PING, 0, 0, opaque))

    # --- for the roles ----------------------------------------------------------------------------------------------

    @abstractmethod
    def _gone(self) -> IronProxyError:
        """The error of a peer that has given the stream up."""

    def _sending(self, stream_id: int) -> Stream:
        stream = self._streams.get(stream_id)
        if stream is None or not stream.sending:
            raise self._gone()
        return stream

    def _write_fields(self, stream: Stream, fields: Sequence[Field], *, end: bool) -> None:
        self._outgoing.append(frames.header_frames(stream.id, self._encoder.encode(fields), end=end))
        if end:
            self._end_sending(stream)

    def _end_sending(self, stream: Stream) -> None:
        stream.sending = False
        if not stream.receiving:
            self._streams.pop(stream.id, None)

    def _write_reset(self, stream_id: int, code: ErrorCode) -> None:
        self._outgoing.append(frames.reset_stream(stream_id, code))
        self._reset_by_us[stream_id] = None
        if len(self._reset_by_us) > limits.MAX_REMEMBERED_RESETS:
            del self._reset_by_us[next(iter(self._reset_by_us))]
