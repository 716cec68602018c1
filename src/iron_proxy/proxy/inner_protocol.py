"""What is spoken inside an open tunnel: TLS, served like on the HTTPS listener, or plain HTTP."""

from iron_proxy.errors import BadHandshake
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.first_byte import InnerProtocol, detect_inner_protocol
from iron_proxy.proxy.client_tls import serve_tls
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.handler import handle
from iron_proxy.proxy.services import Services
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream


async def serve_inside(stream: SocketStream, services: Services, tunnel: Tunnel) -> None:
    """Serve what a client sends through a tunnel. Raises BadHandshake when it is nothing we can look into."""
    with services.opening(stream):
        first = await _first_bytes(stream, services.newest.limits.first_byte)
    if not first:
        return                                     # a tunnel that was opened and not used
    stream.push_back(first)
    try:
        protocol = detect_inner_protocol(first)
    except BadHandshake as error:
        raise BadHandshake(f"{error} for target {tunnel.target}") from error
    if protocol is InnerProtocol.TLS:
        await serve_tls(stream, services, tunnel)
    else:
        await ClientConnection(stream, services, scheme="http", tunnel=tunnel).serve(handle)


async def _first_bytes(stream: SocketStream, timeout: float) -> bytes:
    try:
        return await stream.read(timeout)
    except (StreamReset, StreamTimeout):
        return b""
