"""The tunnel listener: SOCKS5 or HTTP by the first byte; CONNECT and SOCKS5 open a tunnel, the rest is served as is."""

from iron_proxy.errors import BadHandshake
from iron_proxy.listeners.https import refused_handshake
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.protocols.first_byte import TunnelProtocol, detect_tunnel_protocol
from iron_proxy.proxy import socks5_tunnel
from iron_proxy.proxy.connect_tunnel import ConnectHandler
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.inner_protocol import serve_inside
from iron_proxy.proxy.services import Services
from iron_proxy.proxy.tunnel_policy import end_tunnel
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream


class TunnelListener:
    """Serves programs that know they speak to a proxy (HTTPS_PROXY, ALL_PROXY)."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def serve(self, stream: SocketStream) -> None:
        """Serve one connection to its end; an opening that makes no sense leaves a record."""
        client = ClientConnection(stream, self._services, scheme="http")
        try:
            tunnel = await self._open(stream, client)
            if tunnel is not None:
                await serve_inside(stream, self._services, tunnel)
        except BadHandshake as error:
            self._services.audit.emit(refused_handshake(stream, str(error), "tunnel"))
        finally:
            end_tunnel(client)
            client.reader.let_go()               # with SOCKS5 nobody has read anything by it

    async def _open(self, stream: SocketStream, client: ClientConnection) -> Tunnel | None:
        try:
            with self._services.opening(stream):
                first = await stream.read(client.services.limits.first_byte)
        except (StreamReset, StreamTimeout):
            return None
        if not first:
            return None
        stream.push_back(first)
        if detect_tunnel_protocol(first) is TunnelProtocol.SOCKS5:
            return await socks5_tunnel.open_tunnel(client)
        handler = ConnectHandler()
        await client.serve(handler)
        return handler.opened
