"""
Exchange → upstream: the request on an idle connection or a new one, in either version, and its answer's head.

A request whose body is all here can be repeated if an idle connection turns out to be dead. Any other body is uploaded
by a task beside the wait for the answer, so that an early answer is heard. How a request is written is the connection's
business: `upstream/http1_client.py`, `upstream/http2_client.py`.
"""

import asyncio

from iron_proxy.errors import (
    UpstreamDisconnected,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefusedStream,
    UpstreamTimeout,
)
from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.pipeline.scrub import scrubbed_head
from iron_proxy.protocols.http1.events import ResponseHead
from iron_proxy.protocols.http1.framing import NO_BODY, Length
from iron_proxy.proxy.client import Client
from iron_proxy.upstream.bound_connections import authenticates_connection
from iron_proxy.upstream.http1_client import UpstreamConnection
from iron_proxy.upstream.http2_client import Http2Exchange

# A body up to this size that has already arrived goes out in one write with its head.
GATHER_BYTES = 64 * 1024
# Repeating these cannot do twice what was asked once (RFC 9110 section 9.2.2).
_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
# An upstream that refuses a stream asks for another try. One that does so for ever must not keep us trying.
_MAX_TRIES = 4
# While an upload runs the answer has no deadline of its own: the upload's bound it, and its end begins the answer's.
_WHILE_UPLOADING = 24 * 3600.0

Upstream = UpstreamConnection | Http2Exchange


async def forward_whole(
    client: Client, request: Request, permit: Permit, content: bytes, exchange: Exchange | None = None
) -> tuple[Upstream, ResponseHead]:
    """Send a request whose body is all here; a dead idle connection is replaced. Raises UpstreamError."""
    services = client.services
    connection = services.pool.take_idle(permit, client.prefers_http2, client.reader)
    is_fresh = connection is None
    tries = 0
    while True:
        if connection is None:
            connection = await services.pool.connect(permit, http2=client.prefers_http2)
        tries += 1
        _bind(connection, client, request)
        try:
            unsent = connection.send_whole(request, content)
            if unsent is not None:
                await unsent
            head = await connection.read_head(services.response_header_timeout)
            services.pool.note_answer(connection)
            if head.status < 200:
                head = await skip_informational(client, connection, head, services.response_header_timeout, exchange)
            if head.status == 407:
                connection.route.check_status(407)
            return connection, head
        except UpstreamDisconnected as error:
            connection.abort()
            if tries >= _MAX_TRIES or not _may_repeat(error, request, connection, is_fresh):
                raise
            connection, is_fresh = None, True
        except BaseException:
            connection.abort()
            raise


def _bind(connection: Upstream, client: Client, request: Request) -> None:
    """Credentials that stay with the connection make it the client's own."""
    if isinstance(connection, UpstreamConnection) and authenticates_connection(request):
        connection.bound_to = client.reader


def _may_repeat(error: UpstreamDisconnected, request: Request, connection: Upstream, is_fresh: bool) -> bool:
    """Whether the upstream cannot have done what was asked, or doing it again does no harm."""
    if isinstance(error, UpstreamRefusedStream):
        return True
    return not is_fresh and not connection.reader.received_any and request.method in _IDEMPOTENT


async def forward_streaming(
    client: Client,
    request: Request,
    permit: Permit,
    uploads: asyncio.TaskGroup,
    exchange: Exchange | None = None,
) -> tuple[Upstream, ResponseHead, "asyncio.Task[None]"]:
    """Send a request whose body is still arriving. The upload goes on in `uploads`. Raises UpstreamError."""
    services = client.services
    connection = await _begin(client, request, permit)
    try:
        upload = uploads.create_task(_upload(connection, request.body), name="upload")
        answer = uploads.create_task(_final_head(client, connection, exchange), name="answer")
        await asyncio.wait((upload, answer), return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(None if answer.done() else services.response_header_timeout):
            head = await answer
        if not client.reader.message_ended:
            client.keep_alive = False   # an early answer: the rest of the request has no reader
        return connection, head, upload
    except TimeoutError as error:
        connection.abort()
        raise UpstreamTimeout("the upstream did not answer in time") from error
    except BaseException:
        connection.abort()
        raise


async def _begin(client: Client, request: Request, permit: Permit) -> Upstream:
    """A connection that has taken the request's head: until then nothing of the body is lost by trying again."""
    pool = client.services.pool
    connection = pool.take_idle(permit, client.prefers_http2, client.reader)
    tries = 0
    while True:
        if connection is None:
            connection = await pool.connect(permit, http2=client.prefers_http2)
        tries += 1
        _bind(connection, client, request)
        try:
            await connection.send_head(request)
            return connection
        except UpstreamRefusedStream:
            connection.abort()
            if tries >= _MAX_TRIES:
                raise
            connection = None
        except BaseException:
            connection.abort()
            raise


async def _upload(connection: Upstream, body: Body) -> None:
    try:
        while piece := await body.read():
            await connection.send_piece(piece)
        await connection.end_request(body.trailers)
    except UpstreamError:
        pass                            # it may have answered before it stopped listening: the answer is still read


async def _final_head(client: Client, connection: Upstream, exchange: Exchange | None) -> ResponseHead:
    head = await connection.read_head(_WHILE_UPLOADING)
    client.services.pool.note_answer(connection)
    head = await skip_informational(client, connection, head, _WHILE_UPLOADING, exchange)
    connection.route.check_status(head.status)
    return head


async def skip_informational(
    client: Client, connection: Upstream, head: ResponseHead, timeout: float, exchange: Exchange | None = None
) -> ResponseHead:
    """The final answer behind a first head; 1xx before it go to the client as they come. Raises UpstreamError."""
    while head.status < 200:
        if head.status == 101:
            raise UpstreamProtocolError("the upstream switched protocols without being asked to")
        scrubs = () if exchange is None else exchange.begin_scrubbing()
        await client.send_informational(scrubbed_head(scrubs, head))
        head = await connection.read_head(timeout)
    return head


def response_of(head: ResponseHead, connection: Upstream) -> Response:
    """The response that a head begins; its body streams from the connection."""
    framing = head.framing
    if framing is NO_BODY:
        response = Response(head.status, Headers(head.pairs), None, head.reason)
        response.declared_length = head.declared_length
        return response
    length = framing.size if isinstance(framing, Length) else None
    return Response(head.status, Headers(head.pairs), Body(connection.reader, length), head.reason)
