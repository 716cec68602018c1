"""
TLS with a client: read its ClientHello first; pass the connection through, or decide which name to be and shake hands.

Used by the HTTPS listener and inside tunnels. A name that policy could never admit still gets a leaf (so that the
client sees our 403 rather than a broken connection), but from a small cache of its own.
"""

from time import monotonic

from iron_proxy.errors import BadHandshake, BadRequest, IronProxyError
from iron_proxy.messages.authority import Target, parse_host
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.client_hello import ClientHello, ClientHelloParser
from iron_proxy.proxy.connection import ClientConnection, client_name
from iron_proxy.proxy.handler import handle
from iron_proxy.proxy.http2_connection import Http2ClientConnection
from iron_proxy.proxy.services import Services
from iron_proxy.proxy.sni_passthrough import serve_passthrough
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSError, TLSStream

HTTPS_PORT = 443


class PlainTextOnTLS(BadHandshake):
    """The client speaks HTTP where TLS is spoken: worth an answer that says so."""


async def serve_tls(
    stream: SocketStream, services: Services, tunnel: Tunnel | None, original_destination: Target | None = None
) -> None:
    """
    Serve a client that opens TLS, to its end. Raises BadHandshake with a fixed sentence.

    A connection came through a tunnel, or was intercepted on its way to `original_destination`, or neither.
    """
    hello = await read_client_hello(stream, services)
    services = services.newest
    asked = original_destination if tunnel is None else tunnel.target
    if _passes_through(hello, services, asked):
        await serve_passthrough(stream, services, hello, tunnel, original_destination)
        return
    tls, host = await accept_tls(stream, services, hello, tunnel, original_destination)
    if tls.alpn == "h2":
        await Http2ClientConnection(
            tls, services, server_name=host, tunnel=tunnel, original_destination=original_destination
        ).serve()
    else:
        client = ClientConnection(
            tls, services, scheme="https", server_name=host, tunnel=tunnel, original_destination=original_destination
        )
        await client.serve(handle)


def _passes_through(hello: ClientHello, services: Services, asked: Target | None) -> bool:
    """Without a name, what the client asked a tunnel for or connected to counts, as it does for the leaf."""
    address = asked.host if asked is not None else ""
    return services.snapshot.passes_through(address if hello.server_name is None else hello.server_name)


async def accept_tls(
    stream: SocketStream,
    services: Services,
    hello: ClientHello,
    tunnel: Tunnel | None,
    original_destination: Target | None = None,
) -> tuple[TLSStream, str]:
    """
    (the TLS stream, the name it was set up for). Raises BadHandshake with a fixed sentence.

    A client that connects to an IP address sends no name: it is served as the address it asked the tunnel for, or
    connected to, if policy could admit that.
    """
    host, is_ip = _name_for(hello, stream, services, tunnel, original_destination)
    context = services.leaves.cached(host)
    if context is None:
        asked = original_destination if tunnel is None else tunnel.target
        port = HTTPS_PORT if asked is None else asked.port
        admitted = services.snapshot.pipeline.could_admit(
            Target(host, port, is_ip), client_name(services, stream.peer, tunnel)
        )
        try:
            context = await services.leaves.context_for(host, is_ip, admitted)
        except IronProxyError as error:
            raise BadHandshake(str(error)) from error
        except Exception as error:               # whatever it was, the connection leaves its record
            raise BadHandshake("no certificate could be made for the name") from error
    tls = TLSStream(stream, context, server_side=True)
    try:
        await tls.handshake(services.limits.tls_handshake)
    except TLSError as error:
        raise BadHandshake(f"the client's TLS handshake failed: {error.reason}") from error
    except (StreamReset, StreamTimeout) as error:
        raise BadHandshake("the client did not complete the TLS handshake") from error
    services.process.note_handshake(tls.version)
    return tls, host


async def read_client_hello(stream: SocketStream, services: Services) -> ClientHello:
    """The ClientHello, whose bytes then stand unread in the stream again. Raises BadHandshake."""
    with services.opening(stream):
        return await _read_client_hello(stream, services.newest.limits.tls_handshake)


async def _read_client_hello(stream: SocketStream, timeout: float) -> ClientHello:
    parser = ClientHelloParser()
    deadline = monotonic() + timeout      # for all of it: a trickle does not stretch it
    while True:
        try:
            data = await stream.read(max(0.0, deadline - monotonic()))
        except (StreamReset, StreamTimeout) as error:
            raise BadHandshake("the client did not send a ClientHello in time") from error
        if not data:
            raise BadHandshake("the client closed the connection before its ClientHello was complete")
        if not parser.consumed and b"A" <= data[:1] <= b"Z":
            raise PlainTextOnTLS("the client sent an HTTP request where TLS is spoken")
        hello = parser.receive(data)
        if hello is not None:
            stream.push_back(parser.consumed)
            return hello


def _name_for(
    hello: ClientHello,
    stream: SocketStream,
    services: Services,
    tunnel: Tunnel | None,
    original_destination: Target | None,
) -> tuple[str, bool]:
    if hello.server_name is not None:
        return hello.server_name, False
    if tunnel is not None:
        return tunnel.target.host, tunnel.target.is_ip
    target = original_destination or _local_address(stream)
    name = client_name(services, stream.peer, tunnel)
    if target is None or not services.snapshot.pipeline.could_admit(target, name):
        raise BadHandshake("the client sent no server name (SNI), and the address it connected to is not allowed")
    return target.host, True


def _local_address(stream: SocketStream) -> Target | None:
    name = stream.extra("sockname")
    try:
        host = str(name[0]).partition("%")[0]
        if host.startswith("::ffff:") and "." in host:
            host = host[7:]
        address = parse_host(f"[{host}]".encode() if ":" in host else host.encode())[0]
        return Target(address, HTTPS_PORT, True)
    except (TypeError, IndexError, BadRequest):
        return None
