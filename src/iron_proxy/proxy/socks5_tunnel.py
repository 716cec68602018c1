"""The tunnel listener's SOCKS5 side (RFC 1928): handshake, decision, reply."""

from time import monotonic

from iron_proxy.errors import BadHandshake
from iron_proxy.messages.headers import Headers
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.socks5 import (
    CredentialsOffered,
    Event,
    HandshakeFailed,
    Reply,
    SendBytes,
    Socks5ServerHandshake,
    TunnelRequested,
    reply,
)
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.tunnel_policy import decide_tunnel
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout


async def open_tunnel(client: ClientConnection) -> Tunnel | None:
    """
    The tunnel a SOCKS5 client asked for, with the success reply sent; None when policy refused it.

    Bytes sent behind the handshake are kept for the inner protocol. Raises BadHandshake.
    """
    with client.services.in_use():
        return await _open_tunnel(client)


async def _open_tunnel(client: ClientConnection) -> Tunnel | None:
    snapshot = client.services.snapshot
    required = snapshot.require_client
    if required and not client.client_name and not snapshot.clients.takes_credentials:
        raise BadHandshake("SOCKS5: the client is none of those configured")
    handshake = Socks5ServerHandshake(snapshot.clients.authentication_for(client.stream.peer, required=required))
    with client.services.opening(client.stream):
        request = await _requested(client, handshake)
    decision = await decide_tunnel(client, request.target, Headers())
    stream = client.stream
    try:
        if not isinstance(decision, Tunnel):
            await stream.write(reply(Reply.NOT_ALLOWED), client.services.limits.write)
            return None
        await stream.write(reply(Reply.SUCCEEDED), client.services.limits.write)
    except (StreamReset, StreamTimeout) as error:
        raise BadHandshake("the client left during the SOCKS5 handshake") from error
    stream.push_back(handshake.unread)
    return decision


async def _requested(client: ClientConnection, handshake: Socks5ServerHandshake) -> TunnelRequested:
    stream = client.stream
    deadline = monotonic() + client.services.limits.request_head       # for all of it: a trickle does not stretch it
    while True:
        try:
            data = await stream.read(max(0.0, deadline - monotonic()))
            if not data:
                raise BadHandshake("the client closed the connection during the SOCKS5 handshake")
            events = handshake.receive(data)
            if events and isinstance(events[-1], CredentialsOffered):
                events += await _judged(client, handshake, events[-1])
            for event in events:
                match event:
                    case SendBytes(content):
                        await stream.write(content, client.services.limits.write)
                    case CredentialsOffered():
                        pass                               # judged above
                    case TunnelRequested():
                        return event
                    case HandshakeFailed(reason):
                        raise BadHandshake(f"SOCKS5: {reason}")
        except (StreamReset, StreamTimeout) as error:
            raise BadHandshake("the client did not complete the SOCKS5 handshake") from error


async def _judged(client: ClientConnection, handshake: Socks5ServerHandshake, offer: CredentialsOffered) -> list[Event]:
    clients = client.services.snapshot.clients
    name = await clients.by_credentials(offer.username, offer.password, client.stream.peer)
    client.client_name = name or ""
    return handshake.refuse_credentials() if name is None else handshake.accept_credentials()
