"""
TLS inside TLS: the origin's, through a tunnel of an outbound proxy that is itself reached over TLS.

`TLSStream` stands on a socket whose bytes it has put straight into its BIO. `TunnelSocket` is that socket, made of the
TLS connection to the proxy: bytes are decrypted when somebody waits for them, and so only as fast as they are taken.
"""

import ssl
from collections.abc import Callable
from typing import Any, cast

from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream


class TunnelSocket:
    """What `TLSStream` asks of a SocketStream, over another TLSStream, which it takes over."""

    def __init__(self, tunnel: TLSStream) -> None:
        self._tunnel = tunnel
        self._bio = ssl.MemoryBIO()
        self.has_ended = False  # nothing more will come into the BIO

    def divert_into(self, bio: ssl.MemoryBIO) -> bytes:
        """Where decrypted bytes of the tunnel go. There are none yet."""
        self._bio = bio
        return b""

    async def wait(self, timeout: float) -> None:
        """Until more bytes are in the BIO, or the end has come. Raises StreamTimeout, StreamReset."""
        if data := await self._tunnel.read(timeout):
            self._bio.write(data)
        else:
            self.has_ended = True

    def take_nowait(self) -> None:
        """Move what is here already into the BIO. Raises StreamReset."""
        while self._tunnel.has_unread and (data := self._tunnel.read_nowait()):
            self._bio.write(data)

    @property
    def has_unread(self) -> bool:
        """Bytes of the tunnel are here that nobody has decrypted."""
        return self._tunnel.has_unread

    @property
    def is_gone(self) -> bool:
        """Nothing can be written any more."""
        return self._tunnel.is_gone

    @property
    def peer(self) -> str:
        """The proxy as `ip:port`."""
        return self._tunnel.peer

    def check_unbroken(self) -> None:
        """Nothing to add: `wait` has raised if the connection broke."""

    def write_nowait(self, data: bytes) -> bool:
        """Send through the tunnel. True when the caller should `drain`."""
        return self._tunnel.write_nowait(data)

    async def drain(self, timeout: float) -> None:
        """Wait until the proxy has taken enough."""
        await self._tunnel.drain(timeout)

    async def write_end(self) -> None:
        """Announce our end to the proxy."""
        await self._tunnel.write_end()

    def on_end(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` once when the connection to the proxy ends."""
        self._tunnel.on_end(callback)

    def close(self) -> None:
        """Close the tunnel in order."""
        self._tunnel.close()

    def abort(self) -> None:
        """Reset the connection to the proxy."""
        self._tunnel.abort()

    def extra(self, name: str) -> Any:
        """What asyncio knows about the transport at the bottom."""
        return self._tunnel.extra(name)


class NestedTLSStream(TLSStream):
    """A TLSStream over a tunnel: looking at it without waiting looks through both layers."""

    __slots__ = ("_below",)

    def __init__(
        self, tunnel: TLSStream, context: ssl.SSLContext, server_name: str, session: ssl.SSLSession | None = None
    ) -> None:
        self._below = TunnelSocket(tunnel)
        below = cast(SocketStream, self._below)
        super().__init__(below, context, server_side=False, server_name=server_name, session=session)

    @property
    def has_unread(self) -> bool:
        """Bytes are here that nobody has read, in either layer."""
        return self._below.has_unread or super().has_unread

    def read_nowait(self) -> bytes:
        """What can be decrypted now, through both layers."""
        self._below.take_nowait()
        return super().read_nowait()
