"""
An HTTP/2 client of the proxy on a blocking socket: `Http2Peer` keeps the rules, `Http2Wire` breaks them.

The first is the library h2, which objects to what the proxy may not send; the second writes frames as they are given
and reads with hyperframe and hpack. `speak` and `break_rules` open them over any way in that is TLS.
"""

import hashlib
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import hpack
from hyperframe import frame as frames
from tests.fakes.http2_frames import PREFACE, Kind, settings
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import Answer, Session, Way, connect, open_connect_tunnel, open_socks_tunnel

Pair = tuple[bytes, bytes]

# What a client grants where the test is not about windows: enough for any answer that is not counted in megabytes.
WINDOW = 1 << 20


@dataclass
class StreamAnswer(Answer):
    """One response. `reset` is the code of the RST_STREAM that ended it; `size` counts body bytes, also unread ones."""

    reset: int | None = None
    size: int = 0
    pieces: list[bytes] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        return self.is_complete or self.reset is not None

    @property
    def digest(self) -> str:
        """As `/upload` of the origins says it."""
        return f"{len(self.body)} {hashlib.sha256(self.body).hexdigest()}"

    def take_head(self, pairs: Iterable[Pair]) -> None:
        """A head, final or not; or trailers, behind a final head."""
        fields = [(bytes(name), bytes(value)) for name, value in pairs]
        status = next((int(value) for name, value in fields if name == b":status"), None)
        if status is None:
            self.trailers = fields
        elif status < 200:
            self.informational.append(status)
        else:
            self.status, self.headers = status, [pair for pair in fields if pair[0] != b":status"]

    def take_body(self, content: bytes) -> None:
        """A piece of the body."""
        self.size += len(content)
        self.pieces.append(content)

    def finish(self) -> Self:
        """`body` as one."""
        self.body = b"".join(self.pieces)
        return self


class Http2Peer:
    """A client that keeps the rules. Windows are granted as bytes arrive, unless `grants` is False."""

    def __init__(self, session: Session, authority: str, *, window: int = WINDOW, grants: bool = True) -> None:
        self.session, self.authority, self.grants = session, authority, grants
        self.answers: dict[int, StreamAnswer] = {}
        self.went_away: int | None = None  # the code of the proxy's GOAWAY
        self.last_stream: int | None = None
        self.has_ended = False
        self.pongs = 0
        self._buffer = b""
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.h2.increment_flow_control_window(16 << 20)  # one stream that is not read must not stop the others
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(
        self, path: str = "/", method: str = "GET", headers: Iterable[Pair] = (), body: bytes | None = None,
        *, trailers: Iterable[Pair] = (), sized: bool = True,
    ) -> StreamAnswer:  # fmt: skip
        """A whole request, and its answer."""
        fields = [*headers]
        if body is not None and sized:
            fields.append((b"content-length", b"%d" % len(body)))
        stream = self.begin(path, method, fields, end=body is None and not trailers)
        if body is not None or trailers:
            self.send(stream, body or b"", end=not trailers)
        if trailers:
            self.end(stream, trailers)
        return self.answer(stream)

    def begin(self, path: str, method: str = "GET", headers: Iterable[Pair] = (), *, end: bool = True) -> int:
        """A head; returns the stream."""
        stream = self.h2.get_next_available_stream_id()
        pseudo = [
            (b":method", method.encode()), (b":scheme", b"https"), (b":authority", self.authority.encode()),
            (b":path", path.encode()),
        ]  # fmt: skip
        self.answers[stream] = StreamAnswer()
        self.h2.send_headers(stream, [*pseudo, *headers], end_stream=end)
        self.flush()
        return stream

    def send(self, stream: int, content: bytes, *, end: bool = False) -> None:
        """A piece of a body; waits for the window. Stops where the proxy has answered or reset the stream."""
        if not content and end:
            self.h2.end_stream(stream)
        while content and not self.answers[stream].has_ended:
            room = self.h2.local_flow_control_window(stream)
            if not room:
                self.receive()
                continue
            room = min(room, self.h2.max_outbound_frame_size)
            self.h2.send_data(stream, content[:room], end_stream=end and len(content) <= room)
            content = content[room:]
            self.flush()
        self.flush()

    def send_now(self, stream: int, content: bytes) -> int:
        """As much of a piece as the window takes now; returns how much."""
        room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(content))
        if room:
            self.h2.send_data(stream, content[:room])
            self.flush()
        return room

    def end(self, stream: int, trailers: Iterable[Pair] = ()) -> None:
        """END_STREAM, with trailers or without."""
        if fields := [*trailers]:
            self.h2.send_headers(stream, fields, end_stream=True)
        else:
            self.h2.end_stream(stream)
        self.flush()

    def cancel(self, stream: int, code: int = 8) -> None:
        """RST_STREAM."""
        self.h2.reset_stream(stream, code)
        self.flush()

    def ping(self) -> None:
        """Until the proxy has read all that was sent: it answers PING in its turn."""
        seen = self.pongs
        self.h2.ping(b"in turn.")
        self.flush()
        self.until(lambda: self.pongs > seen)

    def answer(self, stream: int) -> StreamAnswer:
        """A stream's answer once it has ended, or as far as it came before the connection did."""
        self.until(lambda: self.answers[stream].has_ended)
        return self.answers[stream].finish()

    def until(self, holds: Callable[[], bool]) -> None:
        """Read until something is true, or the connection has ended."""
        while not holds() and not self.has_ended:
            self.receive()

    def receive(self) -> None:
        """Read once."""
        data = self.session.read()
        if not data:
            self.has_ended = True
            return
        self._buffer += data
        for event in self.h2.receive_data(self._without_goodbyes()):
            self._note(event)
        self.flush()

    def _without_goodbyes(self) -> bytes:
        """The whole frames that have come, but GOAWAY: h2 would read nothing behind it, and open streams go on."""
        kept, at = [], 0
        while len(self._buffer) >= at + 9:
            end = at + 9 + int.from_bytes(self._buffer[at : at + 3], "big")
            if len(self._buffer) < end:
                break
            piece, at = self._buffer[at:end], end
            if piece[3] == Kind.GOAWAY:
                self.last_stream, self.went_away = (
                    int.from_bytes(piece[9:13], "big"),
                    int.from_bytes(piece[13:17], "big"),
                )
            else:
                kept.append(piece)
        self._buffer = self._buffer[at:]
        return b"".join(kept)

    def _note(self, event: h2.events.Event) -> None:
        match event:
            case (
                h2.events.ResponseReceived(stream_id=int(stream), headers=list(pairs))
                | h2.events.InformationalResponseReceived(stream_id=int(stream), headers=list(pairs))
                | h2.events.TrailersReceived(stream_id=int(stream), headers=list(pairs))
            ):
                fields = [(bytes(name), bytes(value)) for name, value in pairs]
                self.answers[stream].take_head(fields)
                self.session.received += b"".join(name + b": " + value + b"\n" for name, value in fields)
            case h2.events.DataReceived(stream_id=int(stream), data=bytes(content)):
                self.answers[stream].take_body(content)
                if self.grants and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            case h2.events.StreamEnded(stream_id=int(stream)):
                self.answers[stream].is_complete = True
            case h2.events.StreamReset(stream_id=int(stream)):
                if not self.answers[stream].is_complete:  # behind a whole answer: the rest of the request is not wanted
                    self.answers[stream].reset = int(event.error_code or 0)
            case h2.events.PingAckReceived():
                self.pongs += 1
            case _:
                pass

    def flush(self) -> None:
        """Write what h2 holds."""
        self.session.send(self.h2.data_to_send())

    def close(self) -> None:
        """Close in order."""
        self.session.close()


class Http2Wire:
    """A client that sends whatever it is given. The preface and SETTINGS are sent at once, unless `preface` differs."""

    def __init__(self, session: Session, preface: bytes | None = None) -> None:
        self.session = session
        self.answers: dict[int, StreamAnswer] = {}
        self.settings: dict[int, int] = {}
        self.granted: dict[int, int] = {}
        self.went_away: int | None = None
        self.last_stream: int | None = None
        self.has_ended = False
        self._decoder = hpack.Decoder()
        self._buffer = b""
        self._block = b""
        self.send(PREFACE + settings() if preface is None else preface)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.session.close()

    def send(self, raw: bytes) -> None:
        """Bytes, as they are."""
        self.session.send(raw)

    def answer(self, stream: int = 1) -> StreamAnswer:
        """A stream's answer once it, or the connection, has ended."""
        self.until(lambda: stream in self.answers and self.answers[stream].has_ended)
        return self.answers.setdefault(stream, StreamAnswer()).finish()

    def until(self, holds: Callable[[], bool]) -> None:
        """Read until something is true, or the connection has ended."""
        while not holds() and not self.has_ended:
            self.receive()

    def read_to_end(self) -> int | None:
        """Read until the proxy closes; the code of its GOAWAY."""
        self.until(lambda: False)
        return self.went_away

    def receive(self) -> None:
        """Read once."""
        data = self.session.read()
        self.has_ended = not data
        self._buffer += data
        while len(self._buffer) >= 9:
            head, length = frames.Frame.parse_frame_header(memoryview(self._buffer)[:9])
            if len(self._buffer) < 9 + length:
                break
            head.parse_body(memoryview(self._buffer)[9 : 9 + length])
            self._buffer = self._buffer[9 + length :]
            self._note(head)

    def _note(self, each: frames.Frame) -> None:
        answer = self.answers.setdefault(each.stream_id, StreamAnswer())
        match each:
            case frames.HeadersFrame() | frames.ContinuationFrame():
                self._block += each.data
                if "END_HEADERS" in each.flags:
                    answer.take_head((bytes(name), bytes(value)) for name, value in self._decode())
            case frames.DataFrame():
                answer.take_body(each.data)
            case frames.RstStreamFrame():
                if not answer.is_complete:
                    answer.reset = each.error_code
            case frames.SettingsFrame():
                self.settings.update(each.settings)
            case frames.WindowUpdateFrame():
                self.granted[each.stream_id] = self.granted.get(each.stream_id, 0) + each.window_increment
            case frames.GoAwayFrame():
                self.went_away, self.last_stream = each.error_code, each.last_stream_id
            case _:
                pass
        if "END_STREAM" in each.flags:
            answer.is_complete = True

    def _decode(self) -> list[Pair]:
        block, self._block = self._block, b""
        fields = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        self.session.received += b"".join(name + b": " + value + b"\n" for name, value in fields)
        return fields


def open_with_alpn(
    proxy: RunningProxy, way: Way, host: str, port: int, protocols: tuple[str, ...], sni: str | None = None
) -> tuple[Session, str | None]:
    """As `RunningProxy.open`, but with protocols to choose from; also returns the proxy's choice."""
    context = proxy.ca.client_context()
    if protocols:
        context.set_alpn_protocols(list(protocols))
    sock = connect(proxy.addresses["tunnel" if way.is_tunnel else "https"])
    try:
        if way.is_tunnel:
            proxy.started += 1
            if way.is_socks:
                open_socks_tunnel(sock, host, port)
            else:
                open_connect_tunnel(sock, f"{host}:{port}")
        secured: ssl.SSLSocket = context.wrap_socket(sock, server_hostname=host if sni is None else sni)
    except BaseException:
        sock.close()
        raise
    session = Session(secured)
    proxy.sessions.append(session)
    return session, secured.selected_alpn_protocol()


def speak(
    proxy: RunningProxy, way: Way = Way.HTTPS, host: str = "ok.test", port: int | None = None, *,
    window: int = WINDOW, grants: bool = True,
) -> Http2Peer:  # fmt: skip
    """A client that keeps the rules, to an origin. Each request is still the test's to count."""
    port = proxy.internet.tls_port if port is None else port
    session, chosen = open_with_alpn(proxy, way, host, port, ("h2", "http/1.1"))
    assert chosen == "h2"
    return Http2Peer(session, f"{host}:{port}", window=window, grants=grants)


def break_rules(
    proxy: RunningProxy, way: Way = Way.HTTPS, host: str = "ok.test", port: int | None = None, *,
    preface: bytes | None = None,
) -> Http2Wire:  # fmt: skip
    """A client that does not."""
    port = proxy.internet.tls_port if port is None else port
    session, chosen = open_with_alpn(proxy, way, host, port, ("h2",))
    assert chosen == "h2"
    return Http2Wire(session, preface)
