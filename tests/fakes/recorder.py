"""
An origin that remembers every byte it was sent, and answers by the path it is asked for.

    /             200, a short text              /code/N      status N, with a body where one may be
    /echo         the request as it arrived      /big/N       N bytes with a length; /chunked/N without one
    /raw/NAME     `raw_replies[NAME]`, as is     /sse         ten events; `sent_at` holds when each was sent
    /upload       length and SHA-256 of the body /ws          an upgrade, then every byte back
    /slow         no answer at all               /hold/NAME   the answer's first half; the rest on `release(NAME)`
    /withheld/NAME  nothing before `release(NAME)`

Its HTTP is its own few lines: what the proxy sends must not be judged by the proxy's parser.
"""

import asyncio
import base64
import hashlib
import re
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from time import monotonic
from typing import cast

from tests.fakes.wire_client import Split, cut, split_in_force

SSE_EVENTS = 10
SSE_INTERVAL = 0.03
_WEBSOCKET_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Then(Enum):
    """What happens behind a raw reply."""

    KEEP = auto()
    CLOSE = auto()
    RESET = auto()
    STALL = auto()


@dataclass(frozen=True)
class RawReply:
    """Bytes to answer with, and what to do after them; cut as the test that makes it is sent."""

    content: bytes
    then: Then = Then.CLOSE
    split: Split = field(default_factory=split_in_force)


@dataclass
class SeenRequest:
    """One request as it arrived. `is_complete` once its body is."""

    head: bytes
    body: bytes = b""
    raw_body: bytes = b""
    trailers: bytes = b""
    is_complete: bool = False

    @property
    def request_line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def path(self) -> str:
        return self.request_line.split(b" ")[1].decode("latin-1")

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:-2]
        return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]

    def get_all(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.fields if each.lower() == name.lower()]

    def names(self) -> list[bytes]:
        return [name.lower() for name, _ in self.fields]


@dataclass
class SeenConnection:
    """One accepted connection. `received` counts every byte behind TLS."""

    received: bytearray = field(default_factory=bytearray)
    requests: list[SeenRequest] = field(default_factory=list)
    has_ended: bool = False
    was_reset: bool = False


class Recorder:
    """Serves one address and port, until closed. Runs in the fakes' loop; its lists may be read from any thread."""

    def __init__(self, address: str, port: int, context: ssl.SSLContext | None = None) -> None:
        self.address, self.port = address, port
        self._context = context
        self.accepted = 0
        self.connections: list[SeenConnection] = []
        self.requests: list[SeenRequest] = []
        self.raw_replies: dict[str, RawReply] = {}
        self.sent_at: list[float] = []
        self._arrived = threading.Condition()
        self._held: dict[str, asyncio.Event] = {}

    async def start(self) -> None:
        """Bind and serve."""
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._accept, self.address, self.port, limit=1 << 20, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def release(self, name: str) -> None:
        """Let `/hold/NAME` or `/withheld/NAME` go on; from any thread."""
        self._loop.call_soon_threadsafe(self._held.setdefault(name, asyncio.Event()).set)

    def note(self, request: SeenRequest) -> None:
        """A request's head has arrived."""
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()

    def wait_for(self, path: str, start: int, timeout: float = 10.0) -> SeenRequest:
        """The first request for a path behind the first `start` ones; from the test's thread. Raises TimeoutError."""
        with self._arrived:
            if self._arrived.wait_for(lambda: any(each.path == path for each in self.requests[start:]), timeout):
                return next(each for each in self.requests[start:] if each.path == path)
        raise TimeoutError(f"no request for {path}")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        seen = SeenConnection()
        self.connections.append(seen)
        try:
            if self._context is not None:
                await writer.start_tls(self._context)
            await _Conversation(self, seen, reader, writer).serve()
        except (asyncio.IncompleteReadError, EOFError):
            pass
        except (ConnectionError, ssl.SSLError):
            seen.was_reset = True
        except asyncio.CancelledError:  # the loop is being closed; asyncio would report a cancelled handler
            pass
        finally:
            seen.has_ended = True
            writer.close()


class _Conversation:
    """One connection: read a request, answer it, until somebody ends."""

    def __init__(
        self, recorder: Recorder, seen: SeenConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._recorder, self._seen, self._reader, self._writer = recorder, seen, reader, writer

    async def serve(self) -> None:
        is_open = True
        while is_open:
            is_open = await self._answer(await self._read_request())
            await self._writer.drain()

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _read_request(self) -> SeenRequest:
        request = SeenRequest(await self._until(b"\r\n\r\n"))
        self._seen.requests.append(request)
        self._recorder.note(request)
        if b"100-continue" in b"".join(request.get_all(b"expect")):
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.get_all(b"transfer-encoding"):
            await self._read_chunks(request)
        elif lengths := request.get_all(b"content-length"):
            request.body = request.raw_body = await self._exactly(int(lengths[0]))
        request.is_complete = True
        return request

    async def _read_chunks(self, request: SeenRequest) -> None:
        pieces, raw = [], []
        while True:
            line = await self._until(b"\r\n")
            size = int(line.split(b";")[0], 16)
            raw.append(line)
            if not size:
                break
            data = await self._exactly(size + 2)
            raw.append(data)
            pieces.append(data[:-2])
        while (line := await self._until(b"\r\n")) != b"\r\n":
            request.trailers += line
        request.body, request.raw_body = b"".join(pieces), b"".join(raw)

    async def _until(self, mark: bytes) -> bytes:
        return self._note(await self._reader.readuntil(mark))

    async def _exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            data = await self._reader.read(min(size, 1 << 18))
            if not data:
                raise EOFError
            pieces.append(self._note(data))
            size -= len(data)
        return b"".join(pieces)

    def _note(self, data: bytes) -> bytes:
        self._seen.received += data
        return data

    # --- answering --------------------------------------------------------------------------------------------------

    async def _answer(self, request: SeenRequest) -> bool:
        path = request.path.partition("?")[0]
        word, _, rest = path.lstrip("/").partition("/")
        match word:
            case "raw":
                return await self._send_raw(self._recorder.raw_replies[rest])
            case "sse":
                await self._send_events()
            case "ws":
                await self._switch(request)
                return False
            case "slow":
                await self._read_to_end()
                return False
            case "code":
                self._send(int(rest), b"" if int(rest) in (204, 304) else b"status")
            case "big" | "chunked":
                await self._send_big(int(rest), chunked=word == "chunked")
            case "hold":
                await self._send_held(rest)
            case "withheld":
                await self._recorder._held.setdefault(rest, asyncio.Event()).wait()
                self._send(200, b"ok\n")
            case "echo":
                self._send(200, request.head + request.raw_body)
            case "upload":
                digest = hashlib.sha256(request.body).hexdigest()
                self._send(200, f"{len(request.body)} {digest}".encode())
            case _:
                self._send(200, b"" if request.request_line.startswith(b"HEAD ") else b"ok\n")
        return True

    def _send(self, status: int, body: bytes) -> None:
        length = b"" if status == 204 else b"Content-Length: %d\r\n" % len(body)
        self._writer.write(b"HTTP/1.1 %d Whatever\r\n%b\r\n%b" % (status, length, body))

    async def _send_raw(self, reply: RawReply) -> bool:
        for piece in cut(reply.content, reply.split):
            self._writer.write(piece)
            await self._writer.drain()
        if reply.then is Then.RESET:
            sock = cast(socket.socket, self._writer.get_extra_info("socket"))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        if reply.then is Then.STALL:
            await self._read_to_end()
        return reply.then is Then.KEEP

    async def _send_events(self) -> None:
        self._recorder.sent_at = []
        self._writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(SSE_EVENTS):
            event = b"data: %d\n" % number + (b"\n" if number < SSE_EVENTS - 1 else b"")
            self._recorder.sent_at.append(monotonic())
            self._writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await asyncio.sleep(SSE_INTERVAL)
        self._writer.write(b"0\r\n\r\n")

    async def _send_big(self, size: int, *, chunked: bool) -> None:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        self._writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
        for start in range(0, size, 65_536):
            piece = b"x" * min(65_536, size - start)
            self._writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await self._writer.drain()
        if chunked:
            self._writer.write(b"0\r\n\r\n")

    async def _send_held(self, name: str) -> None:
        held = self._recorder._held.setdefault(name, asyncio.Event())
        self._writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await self._writer.drain()
        await held.wait()
        self._writer.write(b"-last")

    async def _switch(self, request: SeenRequest) -> None:
        key = request.get_all(b"sec-websocket-key")[0]
        accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_SUFFIX).digest())
        self._writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
        )
        while data := await self._reader.read(65_536):
            self._writer.write(self._note(data))
            await self._writer.drain()

    async def _read_to_end(self) -> None:
        while data := await self._reader.read(65_536):
            self._note(data)


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept for a key, for canned replies."""
    return base64.b64encode(hashlib.sha1(key + _WEBSOCKET_SUFFIX).digest())


def host_of(head: bytes) -> bytes:
    """The Host field of a head."""
    match = re.search(rb"(?mi)^host: *([^\r]*)\r", head)
    assert match is not None
    return match[1]
