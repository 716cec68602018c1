"""
Exchange → upstream: the request written anew from its parts, on an idle connection or a new one, and its answer's head.

A request whose body is all here is one write, and can be repeated once if an idle connection turns out to be dead. Any
other body is uploaded by a task beside the wait for the answer, so that an early answer is heard.
"""

import asyncio

from iron_proxy.errors import UpstreamDisconnected, UpstreamError, UpstreamProtocolError, UpstreamTimeout
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.protocols.http1.framing import NO_BODY, Length
from iron_proxy.protocols.http1.serializer import chunk, serialize_head, serialize_trailers
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.upstream.http1_client import UpstreamConnection

# A body up to this size that has already arrived goes out in one write with its head.
GATHER_BYTES = 64 * 1024
# Repeating these cannot do twice what was asked once (RFC 9110 section 9.2.2).
_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
# Methods whose empty body is stated: servers answer 411 without it.
_STATES_EMPTY_BODY = frozenset(("POST", "PUT", "PATCH"))
# While an upload runs the answer has no deadline of its own: the upload's bound it, and its end begins the answer's.
_WHILE_UPLOADING = 24 * 3600.0


async def forward_whole(
    client: ClientConnection, request: Request, permit: Permit, content: bytes
) -> tuple[UpstreamConnection, ResponseHead]:
    """Send a request whose body is all here; a dead idle connection is replaced once. Raises UpstreamError."""
    services = client.services
    message = request_head(request) + (content if request.body.length is not None else _chunked(request.body, content))
    connection = services.pool.take_idle(permit)
    is_fresh = connection is None
    while True:
        if connection is None:
            connection = await services.pool.connect(permit)
        try:
            connection.expect(request.method)
            if connection.write_nowait(message):
                await connection.drain()
            head = await connection.reader.read_head(services.response_header_timeout)
            if head.status < 200:
                head = await skip_informational(client, connection, head, services.response_header_timeout)
            return connection, head
        except UpstreamDisconnected:
            connection.abort()
            if is_fresh or connection.reader.received_any or request.method not in _IDEMPOTENT:
                raise
            connection, is_fresh = None, True
        except BaseException:
            connection.abort()
            raise


def _chunked(body: Body, content: bytes) -> bytes:
    """A whole body as its head says it is framed. Unframed, the content itself could pass for another request."""
    return (chunk(content) if content else b"") + serialize_trailers(body.trailers)


async def forward_streaming(
    client: ClientConnection, request: Request, permit: Permit, uploads: asyncio.TaskGroup
) -> tuple[UpstreamConnection, ResponseHead, "asyncio.Task[None]"]:
    """Send a request whose body is still arriving. The upload goes on in `uploads`. Raises UpstreamError."""
    services = client.services
    connection = services.pool.take_idle(permit) or await services.pool.connect(permit)
    try:
        connection.expect(request.method)
        await connection.write(request_head(request))
        upload = uploads.create_task(_upload(connection, request.body), name="upload")
        answer = uploads.create_task(_final_head(client, connection), name="answer")
        await asyncio.wait((upload, answer), return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(None if answer.done() else services.response_header_timeout):
            return connection, await answer, upload
    except TimeoutError as error:
        connection.abort()
        raise UpstreamTimeout("the upstream did not answer in time") from error
    except BaseException:
        connection.abort()
        raise


async def _upload(connection: UpstreamConnection, body: Body) -> None:
    chunked = body.length is None
    connection.broken = True            # until its last byte is out: whoever came next would go on with this body
    try:
        while piece := await body.read():
            await connection.write(chunk(piece) if chunked else piece)
        if chunked:
            await connection.write(serialize_trailers(body.trailers))
        connection.broken = False
    except UpstreamError:
        pass                            # it may have answered before it stopped listening: the answer is still read


async def _final_head(client: ClientConnection, connection: UpstreamConnection) -> ResponseHead:
    head = await connection.reader.read_head(_WHILE_UPLOADING)
    return await skip_informational(client, connection, head, _WHILE_UPLOADING)


async def skip_informational(
    client: ClientConnection, connection: UpstreamConnection, head: ResponseHead, timeout: float
) -> ResponseHead:
    """The final answer behind a first head; 1xx before it go to the client as they come. Raises UpstreamError."""
    while head.status < 200:
        if head.status == 101:
            raise UpstreamProtocolError("the upstream switched protocols without being asked to")
        await client.send_informational(head)
        head = await connection.reader.read_head(timeout)
    return head


def request_head(request: Request) -> bytes:
    """The request line and fields as they go upstream."""
    body = request.body
    if body.length is None:
        framing = b"Transfer-Encoding: chunked\r\n"
    elif body.length or request.method in _STATES_EMPTY_BODY:
        framing = b"Content-Length: %d\r\n" % body.length
    else:
        framing = b""
    if request.accepts_trailers:
        framing += b"TE: trailers\r\n"
    start_line = b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.raw_target)
    return serialize_head(start_line, request.target.host_header(request.scheme), request.headers.pairs, framing)


def response_of(head: ResponseHead, connection: UpstreamConnection) -> Response:
    """The response that a head begins; its body streams from the connection."""
    framing = head.framing
    if framing is NO_BODY:
        response = Response(head.status, Headers(head.pairs), None, head.reason)
        response.declared_length = head.declared_length
        return response
    length = framing.size if isinstance(framing, Length) else None
    return Response(head.status, Headers(head.pairs), Body(connection.reader, length), head.reason)
