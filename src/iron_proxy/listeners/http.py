"""The plain HTTP listener: requests in origin form (routed by Host) and in absolute form."""

from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.handler import handle
from iron_proxy.proxy.services import Services
from iron_proxy.streams.socket_stream import SocketStream


class HTTPListener:
    """Serves each connection as plain HTTP."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def serve(self, stream: SocketStream) -> None:
        """Serve one connection to its end."""
        await ClientConnection(stream, self._services, scheme="http").serve(handle)
