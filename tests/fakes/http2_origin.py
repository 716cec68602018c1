"""
An HTTP/2 origin over TLS that remembers every stream, and answers by the path it is asked for.

    /              200, a short text             /code/N        status N, with a body where one may be
    /echo          each piece back as it comes   /big/N         N bytes with a length; /stream/N without one
    /trailers      a body, then `x-checksum: 7`  /raw/NAME      `raw_replies[NAME](stream)`, as is
    /upload        length and SHA-256            /hold/NAME     the first half; the rest on `release(NAME)`
    /unread        never grants more window      /hints         103, then 200
    /stall         no answer at all              /sse           events; `sent_at` holds when each was sent
    /reset/CODE    RST_STREAM instead of a head  /cut/CODE      RST_STREAM in the middle of a body
    /hang-up       the connection ends there     /refuse-first  REFUSED_STREAM to the first who asks
    /goaway        GOAWAY, then the answer       /goaway-first  GOAWAY that disowns the first who asks
    /early         413 before the body has come  /tests.Calls/… gRPC: Unary, Download, Upload, Chat, Fail, Wait

Its HTTP/2 is the library h2, which is strict and not ours: what it objects to is in `violations`.
"""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import h2.errors
from tests.fakes.grpc_messages import framed
from tests.fakes.http2_connection import Http2Connection, SeenStream, StreamLog
from tests.fakes.http2_frames import go_away
from tests.fakes.internet import ALLOWED, Internet

RawReply = Callable[[int], bytes]

# The alert no_application_protocol (RFC 7301 section 3.2), which neither `ssl` nor asyncio would send.
_NO_APPLICATION_PROTOCOL = b"\x15\x03\x03\x00\x02\x02\x78"

SSE_EVENTS = 10
SSE_INTERVAL = 0.02


class Http2Origin(StreamLog):
    """Serves one address and port. Runs in the fakes' loop; its lists may be read from any thread."""

    def __init__(
        self, context: ssl.SSLContext, settings: dict[int, int] | None = None, *, insists: bool = False
    ) -> None:
        super().__init__(settings)
        self._context, self._insists = context, insists  # on h2
        self._greetings: set[asyncio.Task[None]] = set()
        self.port = 0
        self.accepted = 0
        self.connections: list[Http2Connection] = []
        self.raw_replies: dict[str, RawReply] = {}
        self.sent_at: list[float] = []
        self.asked_before: set[str] = set()
        self._held: dict[str, asyncio.Event] = {}

    async def start(self) -> None:
        """Bind and serve."""
        self._loop = asyncio.get_running_loop()
        self._listener = socket.create_server((ALLOWED, 0), backlog=1024)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._accepting = self._loop.create_task(self._accept_all())

    async def _accept_all(self) -> None:
        while True:
            sock, _ = await self._loop.sock_accept(self._listener)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            greeting = self._loop.create_task(self._greet(sock))
            self._greetings.add(greeting)
            greeting.add_done_callback(self._greetings.discard)

    async def _greet(self, sock: socket.socket) -> None:
        """TLS, unless the client does not offer h2 where nothing else is spoken."""
        came = asyncio.Event()
        self._loop.add_reader(sock, came.set)
        await came.wait()
        self._loop.remove_reader(sock)
        try:
            if self._insists and b"\x02h2" not in sock.recv(16_384, socket.MSG_PEEK):
                await self._loop.sock_sendall(sock, _NO_APPLICATION_PROTOCOL)
                sock.close()
                return
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader, self._accept)
            await self._loop.connect_accepted_socket(lambda: protocol, sock, ssl=self._context)
        except OSError:  # TLS that failed is one, too
            sock.close()

    async def close(self) -> None:
        """Stop serving; what is open is broken."""
        self._accepting.cancel()
        self._listener.close()
        for connection in self.connections:
            connection.writer.transport.abort()

    def held(self, name: str) -> asyncio.Event:
        return self._held.setdefault(name, asyncio.Event())

    def release(self, name: str) -> None:
        """Let `/hold/NAME` go on; from any thread."""
        self._loop.call_soon_threadsafe(self.held(name).set)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        answers = Answers(self)
        connection = Http2Connection(self, len(self.connections), answers.give, reader, writer)
        self.connections.append(connection)
        try:
            await connection.serve()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            with self.changed:
                connection.has_ended = True
                self.changed.notify_all()
            writer.close()


class Answers:
    """What the origin answers, by path."""

    def __init__(self, origin: "Http2Origin") -> None:
        self._origin = origin

    async def give(self, at: Http2Connection, stream: SeenStream) -> None:
        """Answer one request. Raises StreamGoneError when nobody waits for it any more."""
        word, _, rest = stream.path.partition("?")[0].lstrip("/").partition("/")
        if (answer := self._answers().get(word)) is not None:
            await answer(at, stream, rest)
        else:
            await at.send(stream, b"ok\n")

    def _answers(self) -> dict[str, Callable[[Http2Connection, SeenStream, str], Awaitable[None]]]:
        return {
            "echo": self._echo, "code": self._code, "big": self._big, "stream": self._stream, "upload": self._upload,
            "trailers": self._trailers, "hold": self._hold, "raw": self._raw, "hints": self._hints, "sse": self._sse,
            "reset": self._reset, "cut": self._cut, "goaway": self._goaway, "goaway-first": self._disown_first,
            "refuse-first": self._refuse_first, "hang-up": self._hang_up, "unread": self._stall, "stall": self._stall,
            "early": self._early, "tests.Calls": self._call,
        }  # fmt: skip

    async def _echo(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        await at.head(stream, 200, [])
        while True:
            await at.until(stream, lambda: len(stream.body) > stream.echoed or stream.is_complete)
            piece = bytes(stream.body[stream.echoed :])
            if not piece:
                break
            stream.echoed += len(piece)
            await at.body(stream, piece, end=False)
        await at.end(stream, stream.trailers)

    async def _code(self, at: Http2Connection, stream: SeenStream, status: str) -> None:
        await at.send(stream, b"" if status in ("204", "304") else b"status", status=int(status))

    async def _big(self, at: Http2Connection, stream: SeenStream, size: str) -> None:
        await at.head(stream, 200, [(b"content-length", size.encode())])
        await self._many(at, stream, int(size))

    async def _stream(self, at: Http2Connection, stream: SeenStream, size: str) -> None:
        await at.head(stream, 200, [])
        await self._many(at, stream, int(size))

    async def _many(self, at: Http2Connection, stream: SeenStream, size: int) -> None:
        for start in range(0, size, 65_536):
            await at.body(stream, bytes([start >> 16 & 255]) * min(65_536, size - start), end=False)
        await at.end(stream)

    async def _upload(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        await at.until(stream, lambda: stream.is_complete)
        await at.send(stream, f"{len(stream.body)} {hashlib.sha256(stream.body).hexdigest()}".encode())

    async def _early(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        await at.send(stream, b"no\n", status=413)

    async def _trailers(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        await at.head(stream, 200, [])
        await at.body(stream, b"ok", end=False)
        await at.end(stream, [(b"x-checksum", b"7")])

    async def _hold(self, at: Http2Connection, stream: SeenStream, name: str) -> None:
        await at.head(stream, 200, [(b"content-length", b"10")])
        await at.body(stream, b"first", end=False)
        await self._origin.held(name).wait()
        await at.body(stream, b"-last", end=True)

    async def _raw(self, at: Http2Connection, stream: SeenStream, name: str) -> None:
        at.writer.write(self._origin.raw_replies[name](stream.id))
        await at.writer.drain()

    async def _hints(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        await at.head(stream, 103, [(b"link", b"</a.css>")])
        await at.send(stream, b"ok")

    async def _sse(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        await at.head(stream, 200, [(b"content-type", b"text/event-stream")])
        self._origin.sent_at = []
        for number in range(SSE_EVENTS):
            self._origin.sent_at.append(monotonic())
            await at.body(stream, b"data: %d\n\n" % number, end=False)
            await asyncio.sleep(SSE_INTERVAL)
        await at.end(stream)

    async def _reset(self, at: Http2Connection, stream: SeenStream, code: str) -> None:
        at.h2.reset_stream(stream.id, int(code))
        await at.flush()

    async def _cut(self, at: Http2Connection, stream: SeenStream, code: str) -> None:
        await at.head(stream, 200, [])
        await at.body(stream, b"half", end=False)
        await self._reset(at, stream, code)

    async def _goaway(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        at.writer.write(go_away(stream.id))  # h2 itself would take no more of this connection
        await at.send(stream, b"bye")

    async def _disown_first(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        if not self._is_first(stream):
            return await at.send(stream, b"ok\n")
        at.writer.write(go_away(max(0, stream.id - 2)))
        return await at.flush()

    async def _refuse_first(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        if not self._is_first(stream):
            return await at.send(stream, b"ok\n")
        return await self._reset(at, stream, str(int(h2.errors.ErrorCodes.REFUSED_STREAM)))

    def _is_first(self, stream: SeenStream) -> bool:
        was_asked = stream.path in self._origin.asked_before
        self._origin.asked_before.add(stream.path)
        return not was_asked

    async def _hang_up(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        await at.head(stream, 200, [])
        await at.body(stream, b"half", end=False)
        await at.writer.drain()
        at.writer.close()

    async def _stall(self, at: Http2Connection, stream: SeenStream, _: str) -> None:
        await at.until(stream, lambda: False)

    async def _call(self, at: Http2Connection, stream: SeenStream, method: str) -> None:
        if method == "Fail":
            status = [(b"content-type", b"application/grpc"), (b"grpc-status", b"11"), (b"grpc-message", b"too far")]
            return await at.head(stream, 200, status, end=True)
        if method == "Wait":
            return await self._stall(at, stream, "")
        await at.head(stream, 200, [(b"content-type", b"application/grpc"), (b"x-initial", b"3")])
        if method == "Chat":
            await self._chat(at, stream)
        else:
            await at.until(stream, lambda: stream.is_complete)
            for reply in _replies(method, stream.messages()):
                await at.body(stream, framed(reply), end=False)
        return await at.end(stream, [(b"grpc-status", b"0"), (b"x-checksum", b"7"), (b"x-bin", b"AAEC")])

    async def _chat(self, at: Http2Connection, stream: SeenStream) -> None:
        while True:
            await at.until(stream, lambda: len(stream.messages()) > stream.echoed or stream.is_complete)
            messages = stream.messages()[stream.echoed :]
            if not messages:
                return
            stream.echoed += len(messages)
            await at.body(stream, framed(*messages), end=False)


def _replies(method: str, messages: list[bytes]) -> list[bytes]:
    match method:
        case "Unary":
            return [messages[0][::-1]]
        case "Download":
            return [b"%d %b" % (number, messages[0]) for number in range(5)]
        case _:
            return [b"%d %d" % (len(messages), sum(map(len, messages)))]


@contextmanager
def serving(
    internet: Internet, *names: str, settings: dict[int, int] | None = None, alpn: tuple[str, ...] = ("h2",)
) -> Iterator[Http2Origin]:
    """An origin on the allowed address, for these names."""
    context = internet.server_context(*(names or ("ok.test",)))
    context.set_alpn_protocols(list(alpn))
    origin = Http2Origin(context, settings, insists=alpn == ("h2",))
    internet.background.run(origin.start())
    try:
        yield origin
    finally:
        internet.background.run(origin.close())
