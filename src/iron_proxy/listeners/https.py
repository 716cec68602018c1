"""The HTTPS listener: TLS by the server name the client sends, then the same requests; or TLS passed through."""

from contextlib import suppress

from iron_proxy.audit.record import EventRecord, timestamp
from iron_proxy.errors import BadHandshake
from iron_proxy.messages.authority import Target
from iron_proxy.proxy.client_tls import PlainTextOnTLS, serve_tls
from iron_proxy.proxy.services import Services
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream

# Parity: upstream's own words, which people search for.
_PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


class HTTPSListener:
    """Serves each connection as TLS."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def serve(self, stream: SocketStream) -> None:
        """Serve one connection to its end; a handshake that fails leaves a record."""
        services = self._services
        try:
            await serve_tls(stream, services, None)
        except BadHandshake as error:
            services.audit.emit(refused_handshake(stream, str(error)))
            if isinstance(error, PlainTextOnTLS):
                with suppress(StreamReset, StreamTimeout):       # a client that has left needs no explanation
                    await stream.write(_PLAIN_HTTP, services.newest.limits.write)


def refused_handshake(
    stream: SocketStream, reason: str, event: str = "handshake", original_destination: Target | None = None
) -> EventRecord:
    """The record of a connection that never came to a request."""
    record = EventRecord(
        time=timestamp(), level="WARN", event=event, action="reject", reason=reason, remote_addr=stream.peer
    )
    if original_destination is not None:
        record.original_destination = str(original_destination)
    return record
