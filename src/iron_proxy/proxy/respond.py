"""
The answer to a client over HTTP/1: head and first piece in one write, every further piece as it arrives.

Sized bodies stay sized and chunked ones chunked; what has no length is chunked for HTTP/1.1 and ends with the
connection for HTTP/1.0. A body that fails raises out of here; the handler then breaks the connection, so that the
client can tell.
"""

from typing import TYPE_CHECKING

from iron_proxy.messages.response import Response
from iron_proxy.protocols.http1.events import RequestHead
from iron_proxy.protocols.http1.serializer import LAST_CHUNK, chunk, serialize_head, serialize_trailers

if TYPE_CHECKING:                            # it calls us
    from iron_proxy.proxy.connection import ClientConnection


async def respond(client: "ClientConnection", head: RequestHead, response: Response) -> None:
    """Send a whole response to the request with this head. Raises ClientDisconnected, ClientTimeout, UpstreamError."""
    length = response.body.length
    if length == 0 or head.method == "HEAD" or response.status in (204, 304):
        message = _head_bytes(client, head, response, _stated_length(head, response))
        if client.write_nowait(message):
            await client.drain()
    elif length is not None:
        message = _head_bytes(client, head, response, b"Content-Length: %d\r\n" % length)
        first = response.body.read_nowait()
        if client.write_nowait(message + first if first else message):
            await client.drain()
        if first is None or len(first) != length:
            await _respond_rest(client, response)
    elif head.minor_version == 1:
        await _respond_chunked(client, head, response)
    else:
        client.keep_alive = False
        await client.write(_head_bytes(client, head, response, b""))
        await _respond_rest(client, response)


async def _respond_rest(client: "ClientConnection", response: Response) -> None:
    while piece := await response.body.read():
        await client.write(piece)


async def _respond_chunked(client: "ClientConnection", head: RequestHead, response: Response) -> None:
    body = response.body
    message = _head_bytes(client, head, response, b"Transfer-Encoding: chunked\r\n")
    piece = body.read_nowait()
    while piece:
        message += chunk(piece)
        piece = body.read_nowait()
    if piece == b"":
        await client.write(message + serialize_trailers(body.trailers))
        return
    await client.write(message)
    while piece := await body.read():
        await client.write(chunk(piece))
    await client.write(serialize_trailers(body.trailers) if body.trailers else LAST_CHUNK)


def _stated_length(head: RequestHead, response: Response) -> bytes:
    if response.declared_length is not None and (response.status == 304 or head.method == "HEAD"):
        return b"Content-Length: %d\r\n" % response.declared_length if response.status != 204 else b""
    if response.status in (204, 304) or response.body.length is None:
        return b""
    return b"Content-Length: %d\r\n" % response.body.length


def _head_bytes(client: "ClientConnection", head: RequestHead, response: Response, framing: bytes) -> bytes:
    if not client.keep_alive:
        framing += b"Connection: close\r\n"
    elif head.minor_version == 0:
        framing += b"Connection: keep-alive\r\n"
    client.response_started = True
    start_line = b"HTTP/1.1 %d %b" % (response.status, response.reason)
    return serialize_head(start_line, None, response.headers.fields, framing)
