"""
An upgrade (a WebSocket, or a protocol that `proxy.upgrades` names): dialled, and relayed behind a verified 101 only.

Decided on like any request. Until the 101 the client's bytes stay with us: an upstream that answers anything else gets
no raw pipe, and its answer goes back as an ordinary response (otherwise the "upgrade" would be a way past every rule).
What follows is `upgraded_session.py`'s.
"""

from iron_proxy.audit.outcome import Allowed, Outcome
from iron_proxy.errors import BadRequest
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Permit, Pipeline, Refusal
from iron_proxy.pipeline.scrub import scrubbed_head
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead
from iron_proxy.protocols.http1.serializer import serialize_head
from iron_proxy.protocols.websocket_handshake import (
    UpgradeOffer,
    check_upgrade_request,
    verify_named_switch,
    verify_switch,
)
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.forward import response_of
from iron_proxy.proxy.request_life import RequestLife, open_session
from iron_proxy.proxy.respond import respond
from iron_proxy.proxy.upgraded_session import UpgradedSession
from iron_proxy.upstream.http1_client import UpstreamConnection

# `docker exec` says in the body of its upgrade what to run: some hundred bytes. It is sent whole or not at all, so that
# where it ends and the other protocol begins is beyond doubt.
MAX_UPGRADE_BODY_BYTES = 64 * 1024

_WEBSOCKET = b"websocket"


async def serve(
    client: ClientConnection,
    head: RequestHead,
    exchange: Exchange,
    permit: Permit,
    pipeline: Pipeline,
    life: RequestLife,
) -> Outcome | Refusal:
    """
    Serve an upgrade that policy has let pass, to the end of its session. Raises ClientError, UpstreamError.

    The response side of the pipeline sees the 101, too, whose fields may hold what the request held.
    """
    request = exchange.request
    protocol = request.upgrade or b""
    content = await _check(client, head, request, protocol)
    offer = UpgradeOffer.of(request.headers) if protocol == _WEBSOCKET else None
    connection = await client.services.pool.connect_http1(permit)
    life.connection, life.bytes_from_client = connection.facts, len(content)
    try:
        connection.expect(request.method)
        await connection.write(_upgrade_head(request, protocol, content) + content)
        upstream_head = await _answer(client, connection, exchange)
        client.keep_alive = False
        response = exchange.response = response_of(upstream_head, connection)
        switches = upstream_head.status == 101
        if switches:
            _verify(upstream_head, protocol, offer)
        refusal = await pipeline.run_response(exchange, life.response_traces)
        if refusal is not None:
            return refusal
        response = exchange.response
        if not switches or response.status != 101:
            await respond(client, head, response)
            return Allowed(response.status)
        await _run_session(client, connection, exchange, response, life)
        return Allowed(101)
    finally:
        connection.close()


async def _check(client: ClientConnection, head: RequestHead, request: Request, protocol: bytes) -> bytes:
    """The body that goes with the upgrade. Raises BadRequest for an upgrade that may not be."""
    if protocol.decode("latin-1") not in client.services.upgrades:
        raise BadRequest("an upgrade to this protocol is not allowed (proxy.upgrades)", 501)
    if protocol == _WEBSOCKET:
        check_upgrade_request(request.headers, request.method, head.minor_version, has_body=not request.body.is_empty)
        return b""
    if head.minor_version != 1:
        raise BadRequest("an upgrade must be an HTTP/1.1 request")
    content, is_whole = await request.body.peek(MAX_UPGRADE_BODY_BYTES)
    if not is_whole:
        raise BadRequest(f"the body of an upgrade is larger than {MAX_UPGRADE_BODY_BYTES} bytes", 413)
    return content


def _upgrade_head(request: Request, protocol: bytes, content: bytes) -> bytes:
    start_line = b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.raw_target)
    host = request.target.host_header(request.scheme)
    fields = _upgrade_fields(protocol)
    if content or request.method != "GET":          # servers answer a POST without a length with 411
        fields += b"Content-Length: %d\r\n" % len(content)
    return serialize_head(start_line, host, request.headers.fields, fields)


def _upgrade_fields(protocol: bytes) -> bytes:
    return b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocol


async def _answer(client: ClientConnection, connection: UpstreamConnection, exchange: Exchange) -> ResponseHead:
    while True:
        head = await connection.reader.read_head(client.services.response_header_timeout)
        if head.status >= 200 or head.status == 101:
            return head
        await client.send_informational(scrubbed_head(exchange.begin_scrubbing(), head))


def _verify(head: ResponseHead, protocol: bytes, offer: UpgradeOffer | None) -> None:
    if offer is None:
        verify_named_switch(protocol, head.upgrade, head.connection)
    else:
        verify_switch(head.status, head.upgrade, head.connection, Headers(head.pairs), offer)


async def _run_session(
    client: ClientConnection,
    connection: UpstreamConnection,
    exchange: Exchange,
    response: Response,
    life: RequestLife,
) -> None:
    """All that comes behind the 101, with what has passed in the end."""
    if client.services.records_sessions:
        open_session(client, life, 101)
    protocol = exchange.request.upgrade or b""
    session = _session(client, connection, protocol, exchange)
    try:
        await _switch(client, connection, response, protocol, session)
        await session.run()
    finally:
        life.bytes_from_client += session.bytes_from_client
        life.bytes_from_upstream += session.bytes_from_upstream


async def _switch(
    client: ClientConnection,
    connection: UpstreamConnection,
    response: Response,
    protocol: bytes,
    session: UpgradedSession,
) -> None:
    """Pass the 101 on, in one write with what came behind it: some clients give up on one that comes in pieces."""
    client.response_started = True
    client.begin_relay()
    status_line = b"HTTP/1.1 101 %b" % (response.reason or b"Switching Protocols")
    early = session.first_to_client(connection.reader.parser.take_unread())
    await client.write(serialize_head(status_line, None, response.headers.fields, _upgrade_fields(protocol)) + early)
    client.stream.push_back(client.reader.parser.take_unread())


def _session(
    client: ClientConnection, connection: UpstreamConnection, protocol: bytes, exchange: Exchange
) -> UpgradedSession:
    services = client.services
    return UpgradedSession(
        client.stream,
        connection.stream,
        idle_timeout=services.websocket_idle_timeout,
        write_timeout=services.limits.write,
        max_duration=services.websocket_max_duration,
        is_websocket=protocol == _WEBSOCKET,
        rewriting=exchange.rewriting if protocol == _WEBSOCKET else (),
    )
