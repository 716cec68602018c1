"""
A WebSocket upgrade: decided on like any request, dialled, and relayed only once the upstream's 101 is verified.

Until then the client's bytes stay with us: an upstream that answers anything else gets no raw pipe, and its answer goes
back as an ordinary response (otherwise the "upgrade" would be a way past every rule). Frames are not looked at.
"""

from iron_proxy.audit.outcome import Allowed, Outcome
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.protocols.http1.events import RequestHead, ResponseHead
from iron_proxy.protocols.http1.serializer import serialize_head
from iron_proxy.protocols.websocket_handshake import UpgradeOffer, check_upgrade_request, verify_switch
from iron_proxy.proxy import timeouts
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.forward import response_of
from iron_proxy.proxy.respond import respond
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.relay import RelayIdle, relay
from iron_proxy.upstream.http1_client import UpstreamConnection

_UPGRADE_FIELDS = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


async def serve(client: ClientConnection, head: RequestHead, exchange: Exchange, permit: Permit) -> Outcome:
    """Serve an upgrade that policy has let pass, to the end of its session. Raises ClientError, UpstreamError."""
    request = exchange.request
    check_upgrade_request(request.headers, request.method, head.minor_version, has_body=not request.body.is_empty)
    offer = UpgradeOffer.of(request.headers)
    connection = await client.services.pool.connect(permit)
    try:
        connection.expect(request.method)
        await connection.write(_upgrade_head(request))
        upstream_head = await _answer(client, connection)
        client.keep_alive = False
        if upstream_head.status != 101:
            exchange.response = response_of(upstream_head, connection)
            await respond(client, head, exchange.response)
            return Allowed(upstream_head.status)
        verify_switch(101, upstream_head.upgrade, upstream_head.connection, Headers(upstream_head.pairs), offer)
        await _relay(client, connection, upstream_head)
        return Allowed(101)
    finally:
        connection.close()


def _upgrade_head(request: Request) -> bytes:
    start_line = b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.raw_target)
    host = request.target.host_header(request.scheme)
    return serialize_head(start_line, host, request.headers.pairs, _UPGRADE_FIELDS)


async def _answer(client: ClientConnection, connection: UpstreamConnection) -> ResponseHead:
    while True:
        head = await connection.reader.read_head(client.services.response_header_timeout)
        if head.status >= 200 or head.status == 101:
            return head
        await client.send_informational(head)


async def _relay(client: ClientConnection, connection: UpstreamConnection, head: ResponseHead) -> None:
    client.response_started = True
    client.begin_relay()
    status_line = b"HTTP/1.1 101 %b" % (head.reason or b"Switching Protocols")
    answer = serialize_head(status_line, None, head.pairs, _UPGRADE_FIELDS)
    await client.write(answer + connection.reader.parser.take_unread())
    client.stream.push_back(client.reader.parser.take_unread())
    try:
        await relay(
            client.stream, connection.stream, idle_timeout=timeouts.RELAY_IDLE, write_timeout=timeouts.WRITE
        )
    except (StreamReset, StreamTimeout, RelayIdle):
        # One side went away: for a WebSocket that is an ordinary end. Neither side may wait for the other any longer.
        connection.abort()
        client.stream.abort()


