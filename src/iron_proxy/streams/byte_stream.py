"""What a byte stream is to everything above it. `socket_stream` and `tls_stream` are the two real ones."""

from collections.abc import Callable
from typing import Protocol

from iron_proxy.errors import IronProxyError

# A piece is at most this large: big enough that a download costs few turns of the loop, small enough that a thousand
# busy connections stay within memory.
MAX_PIECE_BYTES = 256 * 1024


class StreamTimeout(IronProxyError):
    """The peer did not send, or did not take, anything before the deadline."""


class StreamReset(IronProxyError):
    """The connection is gone: reset by the peer, aborted by us, or broken below."""


class ByteStream(Protocol):
    """An ordered two-way stream. One reader and one writer at a time; whoever made it closes it."""

    @property
    def peer(self) -> str:
        """The other end as `ip:port`."""
        ...

    @property
    def has_ended(self) -> bool:
        """The peer has sent its end (or the connection is gone), whatever is still unread."""
        ...

    @property
    def ended_cleanly(self) -> bool:
        """The end was announced: for TLS by a close_notify, which an attacker on the path cannot forge."""
        ...

    async def read(self, timeout: float) -> bytes:
        """Some bytes; b"" once the peer has ended. Raises StreamTimeout, StreamReset."""
        ...

    def push_back(self, data: bytes) -> None:
        """Put bytes back in front, to be read again."""
        ...

    async def write(self, data: bytes, timeout: float) -> None:
        """Send; waits while the peer takes nothing. Raises StreamTimeout, StreamReset."""
        ...

    async def write_end(self) -> None:
        """Announce our end; the other direction stays open."""
        ...

    def on_end(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called once when the peer ends or the connection breaks, even while nobody reads."""
        ...

    def close(self) -> None:
        """Close in order: what was written is still sent."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, with a reset: the peer must not take what it has for a whole."""
        ...
