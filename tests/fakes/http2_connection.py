"""
One connection to an HTTP/2 origin of the tests: frames by the library h2, streams as they were seen, answers as tasks.

`Http2Origin` (`http2_origin.py`) decides what is answered; `StreamLog` is what it remembers.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import hpack
from tests.fakes.grpc_messages import unframed

Pair = tuple[bytes, bytes]


@dataclass
class SeenStream:
    """One request as it arrived. `is_complete` once its body is; `sent` counts body bytes of the answer."""

    connection: int
    id: int
    headers: list[Pair]
    body: bytearray = field(default_factory=bytearray)
    trailers: list[Pair] = field(default_factory=list)
    is_complete: bool = False
    has_head_only: bool = False
    echoed: int = 0  # bytes or messages
    never_indexed: list[bytes] = field(default_factory=list)  # names
    reset: int | None = None
    sent: int = 0

    @property
    def path(self) -> str:
        return (self.get(b":path") or b"").decode("latin-1")

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        return next((value for each, value in self.headers if each == name), None)

    def get_all(self, name: bytes) -> list[bytes]:
        """Every value of a field."""
        return [value for each, value in self.headers if each == name]

    def names(self) -> list[bytes]:
        return [name for name, _ in self.headers]

    def messages(self) -> list[bytes]:
        """gRPC messages that have come whole."""
        return unframed(bytes(self.body))[0]


class StreamLog:
    """What an origin saw, on all its connections. May be read from any thread."""

    def __init__(self, settings: dict[int, int] | None = None) -> None:
        self.settings = settings or {}
        self.requests: list[SeenStream] = []
        self.violations: list[str] = []
        self.most_open = 0  # streams at once on one connection
        self.ended: set[int] = set()  # connections
        self.changed = threading.Condition()

    def begin_test(self) -> None:
        """Forget what was seen; connections stay."""
        self.requests = []
        self.violations.clear()
        self.most_open = 0

    def wait_until(self, holds: Callable[[], bool], timeout: float = 10.0) -> None:
        """Wait for something to be true of what was seen; from the test's thread. Raises TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(holds, timeout):
                raise TimeoutError([(each.path, each.is_complete, each.reset) for each in self.requests])

    def wait_for(self, path: str, timeout: float = 10.0) -> SeenStream:
        """The newest request for a path. Raises TimeoutError."""
        self.wait_until(lambda: any(each.path == path for each in self.requests), timeout)
        return next(each for each in reversed(self.requests) if each.path == path)


class StreamGoneError(Exception):
    """Whoever asked has no more use for the answer."""


Answer = Callable[["Http2Connection", SeenStream], Awaitable[None]]


class Http2Connection:
    """One connection: reads frames, and has a task for each stream."""

    def __init__(
        self, log: StreamLog, number: int, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.log, self.number, self.reader, self.writer = log, number, reader, writer
        self._answer_to = answer
        self.has_ended = False
        self.went_away: int | None = None  # the code of the GOAWAY that the client sent
        self.streams: dict[int, SeenStream] = {}
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None, normalize_inbound_headers=False)
        )
        self._changed = asyncio.Event()

    async def serve(self) -> None:
        """Until the client leaves or breaks the rules."""
        try:
            await self._serve()
        finally:
            with self.log.changed:
                self.log.ended.add(self.number)
                self.log.changed.notify_all()

    async def _serve(self) -> None:
        self.h2.initiate_connection()
        if self.log.settings:  # in a frame of their own: what the first one says would bind before it is read
            values = self.log.settings.items()
            self.h2.update_settings({h2.settings.SettingCodes(key): value for key, value in values})
        await self.flush()
        async with asyncio.TaskGroup() as tasks:
            answers: list[asyncio.Task[None]] = []
            while data := await self.reader.read(65_536):
                try:
                    events = self.h2.receive_data(data)
                except h2.exceptions.ProtocolError as error:
                    self.log.violations.append(repr(error))
                    await self.flush()
                    break
                begun = [stream for event in events if (stream := self._note(event)) is not None]
                answers += [tasks.create_task(self._answer(stream)) for stream in begun]
                self._changed.set()
                await self.flush()
            for task in answers:
                task.cancel()

    def _note(self, event: h2.events.Event) -> SeenStream | None:
        with self.log.changed:
            self.log.changed.notify_all()
            match event:
                case h2.events.RequestReceived(stream_id=int(stream_id), headers=list(pairs)):
                    stream = SeenStream(self.number, stream_id, [(bytes(name), bytes(value)) for name, value in pairs])
                    stream.has_head_only = event.stream_ended is not None
                    stream.never_indexed = [
                        bytes(each[0]) for each in pairs if isinstance(each, hpack.NeverIndexedHeaderTuple)
                    ]
                    self.streams[stream_id] = stream
                    self.log.requests.append(stream)
                    self.log.most_open = max(self.log.most_open, self.h2.open_inbound_streams)
                    return stream
                case h2.events.DataReceived(stream_id=int(stream_id), data=bytes(content)):
                    self._note_data(self.streams[stream_id], content, event.flow_controlled_length or 0)
                case h2.events.TrailersReceived(stream_id=int(stream_id), headers=list(pairs)):
                    self.streams[stream_id].trailers = [(bytes(name), bytes(value)) for name, value in pairs]
                case h2.events.StreamEnded(stream_id=int(stream_id)):
                    self.streams[stream_id].is_complete = True
                case h2.events.StreamReset(stream_id=int(stream_id)):
                    if stream_id in self.streams:
                        self.streams[stream_id].reset = int(event.error_code or 0)
                case h2.events.ConnectionTerminated():
                    self.went_away = int(event.error_code or 0)
                case _:  # windows and settings: `until` looks again
                    pass
        return None

    def _note_data(self, stream: SeenStream, content: bytes, size: int) -> None:
        stream.body += content
        if stream.path == "/unread":
            self.h2.increment_flow_control_window(size)  # the others' share of the connection is not its to hold
        elif not stream.is_complete and size:
            self.h2.acknowledge_received_data(size, stream.id)

    async def _answer(self, stream: SeenStream) -> None:
        try:
            await self._answer_to(self, stream)
        except (StreamGoneError, h2.exceptions.ProtocolError, OSError):
            pass

    # --- sending ----------------------------------------------------------------------------------------------------

    async def send(self, stream: SeenStream, body: bytes, status: int = 200) -> None:
        """A whole answer with its length; HEAD gets the length only."""
        length = [] if status == 204 else [(b"content-length", b"%d" % len(body))]
        has_body = bool(body) and stream.get(b":method") != b"HEAD"
        await self.head(stream, status, length, end=not has_body)
        if has_body:
            await self.body(stream, body, end=True)

    async def head(self, stream: SeenStream, status: int, pairs: list[Pair], *, end: bool = False) -> None:
        """A head, final or not."""
        self.h2.send_headers(stream.id, [(b":status", b"%d" % status), *pairs], end_stream=end)
        await self.flush()

    async def body(self, stream: SeenStream, content: bytes, *, end: bool) -> None:
        """A piece, as far as the windows allow; waits for them."""
        while content:
            await self.until(stream, lambda: self.h2.local_flow_control_window(stream.id) > 0)
            room = min(self.h2.local_flow_control_window(stream.id), self.h2.max_outbound_frame_size)
            piece, content = content[:room], content[room:]
            self.h2.send_data(stream.id, piece, end_stream=end and not content)
            stream.sent += len(piece)
            await self.flush()

    async def end(self, stream: SeenStream, trailers: list[Pair] | None = None) -> None:
        """END_STREAM, with trailers or without."""
        if trailers:
            self.h2.send_headers(stream.id, trailers, end_stream=True)
        else:
            self.h2.end_stream(stream.id)
        await self.flush()

    async def until(self, stream: SeenStream, holds: Callable[[], bool]) -> None:
        """Wait for the other side. Raises StreamGoneError when it resets the stream."""
        while not holds():
            if stream.reset is not None:
                raise StreamGoneError
            self._changed.clear()
            await self._changed.wait()
        if stream.reset is not None:
            raise StreamGoneError

    async def flush(self) -> None:
        """Write what h2 holds."""
        if data := self.h2.data_to_send():
            self.writer.write(data)
            await self.writer.drain()
