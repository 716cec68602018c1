"""
The server's role of an HTTP/2 connection: requests in, responses out. For the connections of clients.

What it refuses by itself: a stream beyond the limit, and what comes after its GOAWAY. A malformed request is reported,
so that it has its audit record and its answer.
"""

from collections.abc import Collection, Iterable, Sequence

from iron_proxy.errors import BadRequest, ClientDisconnected, IronProxyError
from iron_proxy.messages.headers import Pair
from iron_proxy.protocols.http1.framing import NO_BODY, Length
from iron_proxy.protocols.http1.limits import MAX_REQUEST_HEAD_BYTES
from iron_proxy.protocols.http2 import frames, limits
from iron_proxy.protocols.http2.connection import Http2Connection
from iron_proxy.protocols.http2.events import RequestReceived, StreamRefused
from iron_proxy.protocols.http2.flood_guard import FloodGuard
from iron_proxy.protocols.http2.frame_reader import FrameReader
from iron_proxy.protocols.http2.frames import ConnectionViolation, ErrorCode
from iron_proxy.protocols.http2.header_rules import RequestReader, describe_request
from iron_proxy.protocols.http2.hpack import Field, FieldDecoder
from iron_proxy.protocols.http2.stream import Stream


class Http2Server(Http2Connection):
    """
    A client's connection; `scheme` is what it speaks: "https" over TLS, else "http".

    `max_streams` requests may be open at once.
    """

    def __init__(self, scheme: str, max_streams: int = limits.MAX_CONCURRENT_STREAMS) -> None:
        super().__init__(
            FrameReader(MAX_REQUEST_HEAD_BYTES, expects_preface=True),
            FieldDecoder(limits.MAX_DECODED_REQUEST_BYTES),
            FloodGuard(peer_opens_streams=True),
            frames.settings_frame(
                {
                    frames.SETTING_MAX_CONCURRENT_STREAMS: max_streams,
                    frames.SETTING_INITIAL_WINDOW_SIZE: limits.STREAM_WINDOW,
                    frames.SETTING_MAX_HEADER_LIST_SIZE: MAX_REQUEST_HEAD_BYTES,
                }
            ),
            limits.CLIENT_CONNECTION_WINDOW,
        )
        self._max_streams = max_streams
        self._requests = RequestReader(scheme.encode("ascii"))

    def send_head(
        self,
        stream_id: int,
        status: int,
        pairs: Iterable[Pair],
        *,
        length: int | None = None,
        end: bool,
        sensitive: Collection[bytes] = (),
    ) -> None:
        """
        Begin a response, or send an interim one (status below 200, which cannot end the stream).

        `length` becomes its Content-Length; `sensitive` are lower names that no table may keep. Raises
        ClientDisconnected if the stream is gone, IronProxyError if a field is not well formed.
        """
        stream = self._sending(stream_id)
        fields = self._writer.response(status, pairs, length, sensitive)
        self._write_fields(stream, fields, end=end and status >= 200)

    # --- what the shared part asks ----------------------------------------------------------------------------------

    def _read_fields(self, stream_id: int, fields: Sequence[Field], *, ends: bool) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._read_trailers(stream, fields, ends=ends)
        elif stream_id <= self._highest:
            self._check_late(stream_id)
        elif stream_id % 2 == 0:
            raise ConnectionViolation(ErrorCode.PROTOCOL_ERROR, "a client's stream has an even number")
        else:
            self._open(stream_id, fields, ends=ends)

    def _open(self, stream_id: int, fields: Sequence[Field], *, ends: bool) -> None:
        self._highest = stream_id
        if len(self._streams) >= self._max_streams or self._is_after_go_away(stream_id):
            self._write_reset(stream_id, ErrorCode.REFUSED_STREAM)
            self._guard.provoked_resets.spend(self._now)
            return
        stream = self._streams[stream_id] = Stream(stream_id, self._initial_send_window, "")
        try:
            head = self._requests.read(fields, ends=ends)
        except BadRequest as error:
            stream.discards = True
            stream.receiving = not ends
            error.__traceback__ = None  # it would keep the fields as long as the exchange lives
            self._events.append(StreamRefused(stream_id, error, describe_request(fields)))
            self._guard.provoked_resets.spend(self._now)
            return
        stream.has_head = True
        if ends:
            stream.receiving = False
        elif head.framing is NO_BODY:
            stream.expected = 0
        elif isinstance(head.framing, Length):
            stream.expected = head.framing.size
        self._events.append(RequestReceived(stream_id, head, ends, self._requests.never_indexed))

    def _is_after_go_away(self, stream_id: int) -> bool:
        return self._goes_away_after is not None and stream_id > self._goes_away_after

    def _is_idle(self, stream_id: int) -> bool:
        return stream_id > self._highest or stream_id % 2 == 0

    def _on_go_away(self, last: int) -> None:
        """A client that goes away opens no more streams; those that it has go on."""

    def _check_push(self, value: int) -> None:
        if value > 1:
            raise ConnectionViolation(ErrorCode.PROTOCOL_ERROR, "a setting has a value that it cannot have")

    def _refusal(self, reason: str) -> IronProxyError:
        return BadRequest(reason)

    def _gone(self) -> IronProxyError:
        return ClientDisconnected("the client gave the request up")
