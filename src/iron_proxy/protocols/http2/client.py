"""
The client's role of an HTTP/2 connection: requests out, responses in. For the connections to upstreams.

Push is switched off, so all streams are ours. Before a request, ask `can_open_stream`: a connection that is full may
have room again later, one that is going away will not.
"""

from collections.abc import Collection, Iterable, Sequence

from iron_proxy.errors import BadRequest, IronProxyError, UpstreamDisconnected, UpstreamProtocolError
from iron_proxy.messages.headers import Pair
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.protocols.http1.framing import NO_BODY, Length
from iron_proxy.protocols.http1.limits import MAX_INFORMATIONAL, MAX_RESPONSE_HEAD_BYTES
from iron_proxy.protocols.http2 import frames, limits
from iron_proxy.protocols.http2.connection import Http2Connection
from iron_proxy.protocols.http2.events import ResponseReceived, StreamReset
from iron_proxy.protocols.http2.flood_guard import FloodGuard
from iron_proxy.protocols.http2.frame_reader import FrameReader
from iron_proxy.protocols.http2.frames import ConnectionViolation, ErrorCode
from iron_proxy.protocols.http2.header_rules import never_indexed, read_response
from iron_proxy.protocols.http2.hpack import Field, FieldDecoder, size_of
from iron_proxy.protocols.http2.stream import Stream

_SETTINGS = {
    frames.SETTING_ENABLE_PUSH: 0,
    frames.SETTING_INITIAL_WINDOW_SIZE: limits.STREAM_WINDOW,
    frames.SETTING_MAX_HEADER_LIST_SIZE: MAX_RESPONSE_HEAD_BYTES,
}
_LAST_STREAM = 2**31 - 1


class Http2Client(Http2Connection):
    """A connection to an upstream."""

    def __init__(self) -> None:
        super().__init__(
            FrameReader(MAX_RESPONSE_HEAD_BYTES, expects_preface=False),
            FieldDecoder(limits.MAX_DECODED_RESPONSE_BYTES),
            FloodGuard(peer_opens_streams=False),
            frames.PREFACE + frames.settings_frame(_SETTINGS),
            limits.UPSTREAM_CONNECTION_WINDOW,
        )
        self._next_stream = 1
        # Until the upstream says how many it takes: what it did not allow it would refuse, request by request.
        self._max_streams = 1
        self._max_head_bytes: int | None = None  # the upstream has not said
        self._is_settled = False
        self.is_going_away = False  # one of both said so: no new streams
        self._known_fields: tuple[Sequence[Field], str, bool] | None = None
        self._known_head = ResponseHead()
        self._never_indexed: frozenset[bytes] = frozenset()  # in it

    @property
    def streams_left(self) -> int:
        """How many streams could be opened now."""
        if self.is_going_away or self.has_failed or self._next_stream > _LAST_STREAM:
            return 0
        return max(0, self._max_streams - len(self._streams))

    @property
    def can_open_stream(self) -> bool:
        """Whether `send_head` may be called now."""
        return self.streams_left > 0

    def send_head(
        self,
        method: str,
        scheme: str,
        authority: bytes,
        raw_path: bytes,
        pairs: Iterable[Pair],
        *,
        length: int | None = None,
        te_trailers: bool = False,
        end: bool,
        sensitive: Collection[bytes] = (),
    ) -> int:
        """
        Begin a request; returns its stream. Only while `can_open_stream`.

        `length` becomes its Content-Length; `sensitive` are lower names (also `:path`) that no table may keep. Raises
        IronProxyError if a field is not well formed, UpstreamDisconnected if no stream can be opened, BadRequest if the
        upstream has said that it takes no head of this size: some end the connection, which is others' as well.
        """
        if not self.streams_left:
            raise self._gone()
        fields = self._writer.request(method, scheme, authority, raw_path, pairs, length, te_trailers, sensitive)
        if self._max_head_bytes is not None and size_of(fields) > self._max_head_bytes:
            raise BadRequest("the upstream takes no head of this size", 431)
        stream_id = self._next_stream
        self._next_stream += 2
        stream = self._streams[stream_id] = Stream(stream_id, self._initial_send_window, method)
        self._write_fields(stream, fields, end=end)
        return stream_id

    def go_away(self, code: ErrorCode = ErrorCode.NO_ERROR, last_stream: int | None = None) -> None:
        """Open no more streams, and tell the upstream. Those that are open go on."""
        self.is_going_away = True
        super().go_away(code, last_stream)

    # --- what the shared part asks ----------------------------------------------------------------------------------

    def _read_fields(self, stream_id: int, fields: Sequence[Field], *, ends: bool) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._check_late(stream_id)
        elif stream.has_head:
            self._read_trailers(stream, fields, ends=ends)
        else:
            self._read_response(stream, fields, ends=ends)

    def _read_response(self, stream: Stream, fields: Sequence[Field], *, ends: bool) -> None:
        try:
            head = self._read_head(fields, stream.method, ends=ends)
            if head.status < 200:
                self._count_informational(stream, fields)
        except UpstreamProtocolError as error:
            self._fail_stream(stream, error, ErrorCode.PROTOCOL_ERROR)
            return
        if head.status >= 200:
            stream.has_head = True
            if ends:
                self._close_receiving(stream)
            elif isinstance(head.framing, Length):
                stream.expected = head.framing.size
            elif head.framing is NO_BODY:
                stream.expected = 0
        self._events.append(ResponseReceived(stream.id, head, ends, self._never_indexed))

    def _count_informational(self, stream: Stream, fields: Sequence[Field]) -> None:
        stream.informational += 1
        stream.informational_bytes += size_of(fields)
        if stream.informational > MAX_INFORMATIONAL or stream.informational_bytes > limits.MAX_INFORMATIONAL_BYTES:
            raise self._refusal("too many 1xx responses")

    def _read_head(self, fields: Sequence[Field], method: str, *, ends: bool) -> ResponseHead:
        known = (fields, method, ends)
        if known != self._known_fields:
            self._known_head = read_response(fields, method, ends=ends)
            self._never_indexed = never_indexed(fields)
            self._known_fields = known
        return self._known_head

    def _is_idle(self, stream_id: int) -> bool:
        return stream_id >= self._next_stream or stream_id % 2 == 0

    def _on_go_away(self, last: int) -> None:
        self.is_going_away = True
        for stream_id in [stream_id for stream_id in self._streams if stream_id > last]:
            del self._streams[stream_id]
            self._events.append(StreamReset(stream_id, ErrorCode.REFUSED_STREAM))

    def _read_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not self._is_settled:  # what the first SETTINGS do not limit we do: our window is made for so many
            self._is_settled = True
            self._max_streams = limits.MAX_CONCURRENT_STREAMS
        super()._read_settings(flags, stream_id, payload)

    def _limit_streams(self, value: int) -> None:
        self._max_streams = min(value, limits.MAX_CONCURRENT_STREAMS)

    def _limit_heads(self, value: int) -> None:
        self._max_head_bytes = value

    def _check_push(self, value: int) -> None:
        if value:  # RFC 9113 section 6.5.2: a server must not say that it may push
            raise ConnectionViolation(ErrorCode.PROTOCOL_ERROR, "a setting has a value that it cannot have")

    def _refusal(self, reason: str) -> IronProxyError:
        return UpstreamProtocolError(f"the upstream's response is not valid HTTP/2: {reason}")

    def _gone(self) -> IronProxyError:
        return UpstreamDisconnected("the upstream gave the request up")
