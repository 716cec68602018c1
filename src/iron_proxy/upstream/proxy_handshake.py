"""
Ask an outbound proxy for a tunnel, over a connection to it that `dialer.py` has made.

What comes behind the proxy's reply is the tunnel's and is put back into the stream. Errors say what the proxy did and
not which proxy it was: the dialer puts that in front. The deadline is the dialer's as well.
"""

from iron_proxy.config.proxy_urls import ProxyAddress, ProxyCredentials
from iron_proxy.errors import UpstreamDisconnected, UpstreamTimeout, UpstreamUnreachable
from iron_proxy.messages.authority import Target
from iron_proxy.protocols.connect_reply import ConnectReply, connect_request
from iron_proxy.protocols.socks5_client import Socks5ClientHandshake
from iron_proxy.streams.byte_stream import StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.outbound_proxy import refusal_text

Stream = SocketStream | TLSStream

# For each step. A proxy answers only after it has connected, which may take as long as our own connecting may.
STEP_TIMEOUT = 30.0


async def open_tunnel(stream: Stream, proxy: ProxyAddress, target: Target) -> None:
    """Turn a connection to a proxy into one to `target`. Raises UpstreamError; the caller closes the stream."""
    try:
        if proxy.is_socks:
            await _open_by_socks(stream, proxy.credentials, target)
        else:
            await _open_by_connect(stream, proxy.credentials, target)
    except StreamTimeout as error:
        raise UpstreamTimeout("it did not answer in time") from error
    except StreamReset as error:
        raise UpstreamDisconnected("it broke the connection before a tunnel was open") from error


async def _open_by_connect(stream: Stream, credentials: ProxyCredentials | None, target: Target) -> None:
    authorization = credentials.basic() if credentials is not None else None
    await stream.write(connect_request(target, authorization), STEP_TIMEOUT)
    reply = ConnectReply()
    while (status := reply.receive(await _read(stream))) is None:
        pass
    if not 200 <= status < 300:
        raise UpstreamUnreachable(refusal_text(status))
    stream.push_back(reply.unread)


async def _open_by_socks(stream: Stream, credentials: ProxyCredentials | None, target: Target) -> None:
    handshake = Socks5ClientHandshake(target, credentials.socks_fields() if credentials is not None else None)
    await stream.write(handshake.greeting, STEP_TIMEOUT)
    while not handshake.is_open:
        if answer := handshake.receive(await _read(stream)):
            await stream.write(answer, STEP_TIMEOUT)
    stream.push_back(handshake.unread)


async def _read(stream: Stream) -> bytes:
    data = await stream.read(STEP_TIMEOUT)
    if not data:
        raise UpstreamDisconnected("it closed the connection before a tunnel was open")
    return data
