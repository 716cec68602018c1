"""
The HTTP and HTTPS listeners where the kernel intercepts connections (`proxy.transparent`), whatever they were for.

TLS and HTTP are told apart by the first byte, on every port; anything else is refused with a record. The name that the
client sends decides (policy, lookup, dial); the address that it connected to is only a target where it sends none, and
its port is the target's. A connection that was for one of our own listeners came straight, as DNS routes it, and is
served like that: no address to hold on to, the name decides all the same. Built by `runtime/assemble.py`.
"""

from collections.abc import Callable

from iron_proxy.errors import BadHandshake
from iron_proxy.listeners.accept import Serve
from iron_proxy.listeners.https import refused_handshake
from iron_proxy.messages.authority import Target
from iron_proxy.protocols.first_byte import InnerProtocol, detect_inner_protocol
from iron_proxy.proxy.client_tls import serve_tls
from iron_proxy.proxy.connection import ClientConnection
from iron_proxy.proxy.handler import handle
from iron_proxy.proxy.services import Services
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.original_destination import ReadDestination
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.upstream.recent_dials import RecentDials

_LOOP = "the proxy's own connection came back to it: the rules that intercept must leave out the proxy's user"


class TransparentListener:
    """
    Serves intercepted connections, and by `straight` those that were for this listener itself.

    `is_own_listener(address, port)` tells our own sockets.
    """

    def __init__(
        self,
        services: Services,
        read_destination: ReadDestination,
        is_own_listener: Callable[[str, int], bool],
        recent_dials: RecentDials,
        straight: Serve,
    ) -> None:
        self._services = services
        self._read_destination = read_destination
        self._is_own_listener = is_own_listener
        self._recent_dials = recent_dials
        self._straight = straight

    async def serve(self, stream: SocketStream) -> None:
        """Serve one connection to its end."""
        destination = self._read_destination(stream)
        if destination is None or self._is_own_listener(destination.host, destination.port):
            await self._straight(stream)
            return
        event = "connection"
        try:
            protocol = await self._protocol(stream, destination)
            if protocol is InnerProtocol.TLS:
                event = "handshake"
                await serve_tls(stream, self._services, None, destination)
            else:
                client = ClientConnection(
                    stream, self._services, scheme="http", original_destination=destination
                )
                await client.serve(handle)
        except BadHandshake as error:
            self._services.audit.emit(refused_handshake(stream, str(error), event, destination))
            if event == "connection":
                stream.abort()                   # whatever it speaks, we do not

    async def _protocol(self, stream: SocketStream, destination: Target) -> InnerProtocol:
        """What the client speaks. Raises BadHandshake for what we cannot look into."""
        first = await self._first_bytes(stream)
        if self._services.draining and not first:
            raise BadHandshake("the proxy is shutting down")
        # Not before: whoever opened the connection has noted it by the time that its first bytes are here.
        if self._recent_dials.is_own(stream.extra("peername"), (destination.host, destination.port)):
            raise BadHandshake(_LOOP)
        stream.push_back(first)
        protocol = detect_inner_protocol(first)
        if protocol is None:
            raise BadHandshake("the client closed the connection before it sent anything")
        if protocol is InnerProtocol.HTTP and b" HTTP/" not in first and b"\n" in first:
            # Such as SSH, whose client would wait for an answer until the head's deadline.
            raise BadHandshake("unsupported protocol (the first line is no HTTP request)")
        return protocol

    async def _first_bytes(self, stream: SocketStream) -> bytes:
        try:
            with self._services.opening(stream):
                return await stream.read(self._services.newest.limits.first_byte)
        except StreamTimeout as error:
            reason = "the client sent nothing: protocols in which the server speaks first are not served"
            raise BadHandshake(reason) from error
        except StreamReset:
            return b""
