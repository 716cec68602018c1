"""
TLS over a SocketStream: `ssl.SSLContext.wrap_bio` and two MemoryBIOs, driven by our own reads and writes.

Doing it here instead of in asyncio makes looking first free: what was read before the handshake (a ClientHello, to
choose a certificate) is simply handed in. Contexts are made in `certs/server_contexts.py` and `upstream/trust.py`.
"""

import re
import ssl
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

from iron_proxy.streams.byte_stream import MAX_PIECE_BYTES, StreamReset, StreamTimeout
from iron_proxy.streams.socket_stream import SocketStream

# One TLS record holds at most this much; OpenSSL hands out one record a call, and a larger buffer would only be
# allocated and thrown away (measured: 256 KiB buffers cost 9 µs a read, 16 KiB ones 1.4 µs). Asking for a whole record
# also means that OpenSSL never keeps decrypted bytes back: what is unread is in the incoming BIO.
_RECORD_BYTES = 16 * 1024

# A MemoryBIO never gives back what it has once held, and a third more. So it gets little at once:
# - of a ClientHello, whose 1,700 bytes every idle connection would otherwise carry (a step costs 1.5 µs of some 700),
# - of what is written, where a connection that has sent one large body would weigh 340 KiB for as long as it lasts. As
#   much as the socket below hands on at once: there is nothing to be joined again.
_OPENING_BYTES = 256
_WRITTEN_BYTES = 64 * 1024

_NOTHING = memoryview(b"")

# These lose the certificates of the peer, some 6 KiB, each time that a session is read (CPython issue 116810, mended in
# 3.12.8 and 3.13.1): a proxy that meets new hosts, or reads its configuration again, would grow for ever.
SESSIONS_LEAK = sys.version_info < (3, 12, 8) or (3, 13, 0) <= sys.version_info < (3, 13, 1)

_UNNAMED = re.compile(r"\[SSL\] ([a-z0-9 ]+) \(")


class TLSError(StreamReset):
    """The handshake or a record failed. `reason` is OpenSSL's own short name for what went wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"TLS: {reason}")
        self.reason = reason


class TLSStream:
    """A TLS connection over a socket stream it takes over. Call `handshake` first; closing it closes the socket."""

    __slots__ = (
        "_clean_end", "_end_callback", "_failure", "_incoming", "_opening", "_outgoing", "_pushed_back", "_socket",
        "_tls", "has_ended",
    )  # fmt: skip

    def __init__(
        self,
        socket: SocketStream,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._socket = socket
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_name, session=session
        )
        self._end_callback: Callable[[], None] | None = None
        self._clean_end = False
        self.has_ended = socket.has_ended       # the peer has ended TLS, or the connection below has ended
        socket.on_end(self._note_end)
        self._failure: TLSError | None = None    # met behind data that was still good: for the next read
        self._pushed_back = b""
        self._opening = memoryview(socket.divert_into(self._incoming))   # a ClientHello that was looked at

    async def handshake(self, timeout: float) -> None:
        """Complete the handshake. Raises TLSError, StreamReset, StreamTimeout."""
        deadline = monotonic() + timeout          # for all of it: a trickle does not stretch it
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                if self._opening:
                    self._hand_in(_OPENING_BYTES)
                    continue
                self._flush()
                if self._socket.has_ended and not self._incoming.pending:
                    raise StreamReset("the peer closed the connection during the TLS handshake") from None
                if monotonic() > deadline:
                    raise StreamTimeout("the TLS handshake was not complete in time") from None
                await self._socket.wait(deadline - monotonic())
            except ssl.SSLCertVerificationError as error:
                self._flush()
                raise TLSError(error.verify_message) from error
            except (ssl.SSLError, ValueError) as error:
                self._flush()                # the alert tells the peer why
                raise TLSError(_reason(error)) from error
            else:
                self._hand_in(len(self._opening))
                self._flush()
                return

    def _hand_in(self, size: int) -> None:
        self._incoming.write(self._opening[:size])
        self._opening = self._opening[size:] or _NOTHING

    @property
    def peer(self) -> str:
        """The other end as `ip:port`."""
        return self._socket.peer

    @property
    def ended_cleanly(self) -> bool:
        """The peer said close_notify: what was read is all it sent."""
        return self._clean_end

    @property
    def is_gone(self) -> bool:
        """Nothing can be written any more."""
        return self._socket.is_gone

    @property
    def has_unread(self) -> bool:
        """Bytes are here that nobody has read; they may turn out to hold no data (a session ticket)."""
        return self._incoming.pending > 0

    @property
    def version(self) -> str:
        """`TLSv1.3`, `TLSv1.2`."""
        return self._tls.version() or ""

    @property
    def session(self) -> ssl.SSLSession | None:
        """For resuming with the same peer; None on a Python that loses memory by reading it."""
        return None if SESSIONS_LEAK else self._tls.session

    @property
    def alpn(self) -> str | None:
        """The application protocol that was agreed on."""
        return self._tls.selected_alpn_protocol()

    def peer_certificate(self) -> bytes | None:
        """The peer's certificate in DER."""
        return self._tls.getpeercert(True)

    async def read(self, timeout: float) -> bytes:
        """Decrypted bytes, as many as are here up to one piece; b"" at the end."""
        if self._pushed_back:
            data, self._pushed_back = self._pushed_back, b""
            return data
        if self._failure is not None:
            raise self._failure
        while True:
            if self._incoming.pending and (data := self._decrypt()):
                return data
            if self._clean_end:
                return b""
            if self._socket.has_ended:
                self._socket.check_unbroken()
                return b""
            await self._socket.wait(timeout)

    def _decrypt(self) -> bytes:
        try:
            data = self._tls.read(_RECORD_BYTES)
        except ssl.SSLWantReadError:
            self._flush()                    # a key update or a renegotiation refusal may want an answer
            return b""
        except ssl.SSLZeroReturnError:
            self._clean_end = self.has_ended = True
            return b""
        except ssl.SSLError as error:
            raise TLSError(_reason(error)) from error
        if not data:                         # OpenSSL's way of saying close_notify while our side is still open
            self._clean_end = self.has_ended = True
            return data
        return self._decrypt_more(data) if self._incoming.pending else data

    def _decrypt_more(self, first: bytes) -> bytes:
        """More records are here already (a head and its body, a bulk transfer): join them into one piece."""
        pieces, size = [first], len(first)
        while size < MAX_PIECE_BYTES:
            try:
                data = self._tls.read(_RECORD_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self._clean_end = self.has_ended = True
                break
            except ssl.SSLError as error:
                self._failure = TLSError(_reason(error))
                break
            if not data:
                self._clean_end = self.has_ended = True
                break
            pieces.append(data)
            size += len(data)
        return b"".join(pieces)

    def push_back(self, data: bytes) -> None:
        """Put decrypted bytes back in front."""
        self._pushed_back = data + self._pushed_back

    def read_nowait(self) -> bytes:
        """What can be decrypted now; b"" when nothing can. For looking at an idle connection."""
        if self._failure is not None:
            raise self._failure
        return self._decrypt()

    def write_nowait(self, data: bytes) -> bool:
        """Encrypt and hand down. True when the caller should `drain`."""
        if len(data) > _WRITTEN_BYTES:
            return self._write_in_parts(memoryview(data))
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise TLSError(_reason(error)) from error
        return self._socket.write_nowait(self._outgoing.read())

    def _write_in_parts(self, data: memoryview) -> bool:
        must_drain = False
        for begin in range(0, len(data), _WRITTEN_BYTES):
            part = data[begin : begin + _WRITTEN_BYTES]
            must_drain = self.write_nowait(part)  # type: ignore[arg-type]  # OpenSSL takes any buffer
        return must_drain

    async def drain(self, timeout: float) -> None:
        """Wait until the peer has taken enough of what was written."""
        await self._socket.drain(timeout)

    async def write(self, data: bytes, timeout: float) -> None:
        """Send, and wait while the peer takes nothing."""
        if self.write_nowait(data):
            await self._socket.drain(timeout)

    async def write_end(self) -> None:
        """Send close_notify and FIN; the other direction stays open (RFC 8446 section 6.1)."""
        if not self._socket.is_gone:
            self._keep_unread()
            self._send_close_notify()
            await self._socket.write_end()

    def on_end(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` once when the connection below ends; at once if it already has."""
        if callback is not None and self._socket.has_ended:
            callback()
            return
        self._end_callback = callback

    def _note_end(self) -> None:
        self.has_ended = True
        callback, self._end_callback = self._end_callback, None
        if callback is not None:
            callback()

    def close(self) -> None:
        """Send close_notify and what is queued, then close."""
        self._end_callback = None            # it knows who has the stream: nobody should wait for the collector
        if not self._socket.is_gone:
            self._send_close_notify()
        self._socket.close()

    def abort(self) -> None:
        """Reset the connection, with no close_notify: the peer can tell that this was not the end of the data."""
        self._end_callback = None
        self._socket.abort()

    def extra(self, name: str) -> Any:
        """What asyncio knows about the transport below."""
        return self._socket.extra(name)

    def _send_close_notify(self) -> None:
        try:
            self._tls.unwrap()
        except (ssl.SSLError, ValueError):   # WantRead: ours is sent, the peer's has not come
            pass
        self._flush()

    def _keep_unread(self) -> None:
        """Decrypt what is here: looking for the peer's close_notify, OpenSSL would throw it away."""
        try:
            while self._incoming.pending and (data := self._decrypt()):
                self._pushed_back += data
        except TLSError as error:
            self._failure = error

    def _flush(self) -> None:
        if self._outgoing.pending and not self._socket.is_gone:
            self._socket.write_nowait(self._outgoing.read())


def _reason(error: Exception) -> str:
    """OpenSSL's name for the failure (`CERTIFICATE_VERIFY_FAILED`), never a message that may quote input."""
    reason = getattr(error, "reason", None)
    if reason:
        return str(reason).lower().replace("_", " ")
    # Python 3.11 has no name for the newer alerts; OpenSSL's own words for them are in the text.
    words = _UNNAMED.search(str(error))
    return words[1] if words is not None else "handshake failure"
