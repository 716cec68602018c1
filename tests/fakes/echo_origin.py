"""
An origin that sends back whatever it was sent, as an upstream would that means no harm or means all of it.

    /reply/NAME    `REPLIES[NAME]` of echo_replies.py, in either version   /broken/NAME   `BROKEN[NAME]`, then a close
    /page          a page that can be had in ranges                        /stall         no answer at all
    /kept          what the request before this one held, as JSON          /mirror        each piece as it comes
    /ws            a WebSocket: fields of the 101, then text messages      /goaway        HTTP/2: GOAWAY with debug data
    /half          half of a body; the rest never comes                    /bad-field     HTTP/2: fields that may not be

What it sends back is what it found in fields named X-Secret-*, in Authorization, in the query, and the body.
"""

import asyncio
import base64
import re
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from tests.fakes.echo_replies import BROKEN, REPLIES, Reply, fit_for_fields
from tests.fakes.http2_connection import Http2Connection, SeenStream, StreamLog
from tests.fakes.recorder import accept_of

Pair = tuple[bytes, bytes]


@dataclass
class Arrived:
    """One request. `texts` are what may be secrets in it."""

    method: bytes
    path: str
    fields: list[Pair]
    body: bytes = b""
    texts: list[bytes] = field(default_factory=list)

    def get(self, name: bytes) -> bytes:
        """The first value of a field, or nothing."""
        return next((value for each, value in self.fields if each.lower() == name), b"")

    def everything(self) -> bytes:
        """For a search."""
        fields = b"\n".join(name + b": " + value for name, value in self.fields)
        return b"\n".join((self.path.encode("latin-1"), fields, self.body, *self.texts))

    def find_texts(self) -> "Arrived":
        """Set `texts`."""
        texts = [value for name, value in self.fields if name.lower().startswith(b"x-secret-")]
        if basic := self.get(b"authorization").removeprefix(b"Basic "):
            texts.append(base64.b64decode(basic).partition(b":")[2])
        query = self.path.partition("?")[2].encode("latin-1")
        texts += [unquote_to_bytes(part.partition(b"=")[2]) for part in query.split(b"&") if part]
        self.texts = [*texts, *([self.body] if self.body else [])]
        return self


class EchoOrigin:
    """Serves one address, HTTP/2 to whoever prefers it over TLS. Runs in the fakes' loop."""

    def __init__(self, address: str, context: ssl.SSLContext | None = None) -> None:
        self._address, self._context = address, context
        if context is not None:
            context.set_alpn_protocols(["h2", "http/1.1"])
        self.port = 0
        self.arrived: list[Arrived] = []
        self._changed = threading.Condition()
        self.sent: list[bytes] = []
        self.log = StreamLog()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Bind and serve."""
        self._server = await asyncio.start_server(self._serve, self._address, 0, ssl=self._context, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop serving; what is open is broken."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin_test(self) -> None:
        """Forget."""
        self.arrived.clear()
        self.sent.clear()

    def wait_for(self, path: str, timeout: float = 10.0) -> None:
        """Until there is a request for a path; from the test's thread. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: any(each.path.startswith(path) for each in self.arrived), timeout):
                raise TimeoutError(f"no request for {path}")

    def _note(self, request: Arrived) -> None:
        with self._changed:
            self.arrived.append(request)
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        tls = writer.get_extra_info("ssl_object")
        try:
            if tls is not None and tls.selected_alpn_protocol() == "h2":
                await Http2Connection(self.log, 0, self._answer_http2, reader, writer).serve()
            else:
                await self._converse(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    # --- HTTP/1.1 ---------------------------------------------------------------------------------------------------

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await _read_head(reader)
            if request.path.startswith("/mirror"):
                await self._mirror(reader, writer)
                return
            await _read_body(reader, request)
            self._note(request.find_texts())
            word, _, rest = request.path.partition("?")[0].lstrip("/").partition("/")
            match word:
                case "reply":
                    reply = REPLIES[rest](request.texts)
                    await self._write(writer, *_written(reply, request.method))
                    self.sent.append(reply.body)  # without its chunks
                case "page":
                    await self._write(writer, *_written(_page(request), request.method))
                case "kept":
                    await self._write(writer, *_written(REPLIES["json"](self.arrived[-2].texts), request.method))
                case "broken":
                    await self._write(writer, BROKEN[rest](_line(request.texts)))
                    return
                case "half":
                    await self._write(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", request.texts[0])
                    await reader.read()
                case "ws":
                    await self._write(writer, _switch(request), *map(_text_frame, request.texts), b"\x88\x02\x03\xe8")
                    return
                case "stall":
                    await reader.read()
                case _:
                    await self._write(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")

    async def _mirror(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._write(writer, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
        async for chunk in _chunks(reader):
            await self._write(writer, chunk)

    async def _write(self, writer: asyncio.StreamWriter, *pieces: bytes) -> None:
        self.sent.append(b"".join(pieces))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    # --- HTTP/2 -----------------------------------------------------------------------------------------------------

    async def _answer_http2(self, at: Http2Connection, stream: SeenStream) -> None:
        if stream.path.startswith("/mirror"):
            await self._mirror_http2(at, stream)
            return
        await at.until(stream, lambda: stream.is_complete)
        fields = [pair for pair in stream.headers if not pair[0].startswith(b":")]
        method = stream.get(b":method") or b""
        request = Arrived(method, stream.path, fields, bytes(stream.body)).find_texts()
        self._note(request)
        word, _, rest = request.path.partition("?")[0].lstrip("/").partition("/")
        match word:
            case "reply":
                await self._send(at, stream, REPLIES[rest](request.texts), method)
            case "page":
                await self._send(at, stream, _page(request), method)
            case "kept":
                await self._send(at, stream, REPLIES["json"](self.arrived[-2].texts), method)
            case "half":
                await at.head(stream, 200, [])
                await at.body(stream, request.texts[0][:-2], end=False)
                self.sent.append(request.texts[0])
                at.h2.reset_stream(stream.id, 2)
                await at.flush()
            case "goaway":
                at.h2.close_connection(2, _line(request.texts))
                await at.flush()
                at.writer.close()
            case "bad-field":
                at.h2.config.validate_outbound_headers = at.h2.config.normalize_outbound_headers = False
                await at.head(stream, 200, [(b"X-Upper", request.texts[0]), (b"x a", request.texts[0])], end=True)
            case "stall":
                await at.until(stream, lambda: False)
            case _:
                await at.send(stream, b"ok\n")

    async def _mirror_http2(self, at: Http2Connection, stream: SeenStream) -> None:
        await at.head(stream, 200, [(b"content-type", b"text/plain")])
        while not stream.is_complete or len(stream.body) > stream.echoed:
            await at.until(stream, lambda: len(stream.body) > stream.echoed or stream.is_complete)
            piece = bytes(stream.body[stream.echoed :])
            stream.echoed += len(piece)
            await at.body(stream, piece, end=False)
        self.sent.append(bytes(stream.body))
        await at.end(stream)

    async def _send(self, at: Http2Connection, stream: SeenStream, reply: Reply, method: bytes) -> None:
        fields = [(name, value) for name, value in reply.headers if name != b"trailer"]
        noted = [*reply.hints, *fields, *reply.trailers]
        self.sent += [b"\n".join(name + b": " + value for name, value in noted), reply.body]
        if reply.hints:
            await at.head(stream, 103, reply.hints)
        if not reply.piece:
            fields.append((b"content-length", b"%d" % len(reply.body)))
        is_bare = method == b"HEAD" or reply.status in (204, 304) or not reply.body
        await at.head(stream, reply.status, fields, end=is_bare and not reply.trailers)
        if is_bare:
            return
        for piece in _pieces(reply):
            await at.body(stream, piece, end=False)
        await at.end(stream, reply.trailers)


async def _read_head(reader: asyncio.StreamReader) -> Arrived:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *rest = head[:-4].split(b"\r\n")
    method, target, _ = line.split(b" ")
    fields = [(name, value.strip()) for name, _, value in (each.partition(b":") for each in rest)]
    return Arrived(method, target.decode("latin-1"), fields)


async def _read_body(reader: asyncio.StreamReader, request: Arrived) -> None:
    if request.get(b"transfer-encoding"):
        request.body = b"".join([chunk async for chunk in _chunks(reader)])
    elif length := request.get(b"content-length"):
        request.body = await reader.readexactly(int(length))


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass


def _line(texts: list[bytes]) -> bytes:
    """Everything in one line."""
    return b" ".join(fit_for_fields(texts))


def _pieces(reply: Reply) -> list[bytes]:
    size = reply.piece or len(reply.body)
    return [reply.body[at : at + size] for at in range(0, len(reply.body), size)] if reply.body else []


def _written(reply: Reply, method: bytes) -> list[bytes]:
    lines = [b"HTTP/1.1 %d %b" % (reply.status, reply.reason), *(b"%b: %b" % pair for pair in reply.headers)]
    if reply.status != 204:
        lines.append(b"Transfer-Encoding: chunked" if reply.piece else b"Content-Length: %d" % len(reply.body))
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    if reply.hints:
        hints = b"".join(b"%b: %b\r\n" % pair for pair in reply.hints)
        head = b"HTTP/1.1 103 Early Hints\r\n%b\r\n%b" % (hints, head)
    if method == b"HEAD" or reply.status in (204, 304):
        return [head]
    if not reply.piece:
        return [head, reply.body]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _pieces(reply)]
    return [head, *chunks, b"0\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % pair for pair in reply.trailers)]


def _page(request: Arrived) -> Reply:
    """A page, or the part of it that was asked for."""
    page = b"key: " + request.texts[0] + b"."
    asked = re.fullmatch(rb"bytes=(\d+)-(\d*)", request.get(b"range"))
    fields = [(b"content-type", b"text/plain"), (b"accept-ranges", b"bytes"), (b"etag", b'"p"')]
    if asked is None:
        return Reply(fields, page)
    begin, end = int(asked[1]), min(int(asked[2] or len(page)), len(page) - 1)
    fields.append((b"content-range", b"bytes %d-%d/%d" % (begin, end, len(page))))
    return Reply(fields, page[begin : end + 1], 206)


def _switch(request: Arrived) -> bytes:
    fields = b"".join(b"X-Back: %b\r\n" % text for text in fit_for_fields(request.texts))
    accept = accept_of(request.get(b"sec-websocket-key"))
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (accept, fields)
    )


def _text_frame(text: bytes) -> bytes:
    size = bytes([len(text)]) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big")
    return b"\x81" + size + text
