"""
One TCP connection of the DNS server: questions and answers behind a two-byte length, answers as they come (RFC 7766).

What a client may make us hold or wait for is bounded here: the length of a question, the time between two of them, the
connections of one client and of all (`StreamLimits`).
"""

import asyncio
from typing import Final, cast

from iron_proxy.dns import messages
from iron_proxy.dns.responder import Address, PendingAnswer, Responder
from iron_proxy.messages.client_key import client_key

# Stub resolvers turn to TCP only when an answer was truncated, and close after it; each connection is a descriptor.
MAX_STREAMS: Final = 128
# So that one client leaves room for the others.
MAX_STREAMS_PER_CLIENT: Final = 32
# RFC 7766 section 6.2.3 asks for a few seconds. Longer than a lookup may take, so that no answer is cut off.
IDLE_SECONDS: Final = 10.0
# A question is at most 12 + 255 + 4 bytes; options and padding (RFC 8467 pads to 128) fit several times over. What a
# client can make us hold while it sends slowly is bounded by this, not by the 65,535 of the length prefix.
MAX_QUERY_BYTES: Final = 4096


class StreamLimits:
    """The connections that are open, and how many more there may be."""

    def __init__(
        self, in_total: int = MAX_STREAMS, per_client: int = MAX_STREAMS_PER_CLIENT, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self.idle_seconds = idle_seconds
        self.open: dict[Stream, str] = {}  # each with its client
        self._in_total = in_total
        self._per_client = per_client

    def admit(self, stream: "Stream", client: str) -> bool:
        """Count a connection in, if there is room for it."""
        if len(self.open) >= self._in_total or sum(each == client for each in self.open.values()) >= self._per_client:
            return False
        self.open[stream] = client
        return True


class Stream(asyncio.Protocol):
    """One connection, from accepted to closed."""

    def __init__(self, responder: Responder, limits: StreamLimits) -> None:
        self._responder = responder
        self._limits = limits
        self._unread = bytearray()
        self._pending = 0
        self._has_ended = False
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; over the limits it is let go at once."""
        self._transport = cast("asyncio.Transport", transport)
        self._client: Address = transport.get_extra_info("peername") or ("", 0)
        if not self._limits.admit(self, client_key(self._client[0])):
            self._responder.report_stream_closed(self._client, "too many connections")
            self._transport.abort()
            return
        self._restart_idle_timer()

    def connection_lost(self, error: Exception | None) -> None:
        """The client has gone, or we have let it go."""
        self._limits.open.pop(self, None)
        if self._idle is not None:
            self._idle.cancel()

    def abort(self) -> None:
        """Close without sending what is still buffered."""
        self._transport.abort()

    def data_received(self, piece: bytes) -> None:
        """Answer every question that is whole now."""
        self._unread += piece
        answers = bytearray()
        position = 0
        while len(self._unread) >= position + 2:
            size = int.from_bytes(self._unread[position : position + 2], "big")
            if not messages.HEADER_BYTES <= size <= MAX_QUERY_BYTES:
                self._responder.report_stream_closed(self._client, "a length that no query has")
                self._transport.abort()
                return
            end = position + 2 + size
            if len(self._unread) < end:
                break  # the rest is still on its way
            answers += self._answer(bytes(self._unread[position + 2 : end]))
            position = end
        if position:
            del self._unread[:position]
            self._restart_idle_timer()  # by whole questions only: dribbling bytes keeps nothing open
        if answers:
            self._transport.write(bytes(answers))

    def _answer(self, packet: bytes) -> bytes:
        answer = self._responder.answer(packet, self._client, messages.MAX_TCP_BYTES)
        if isinstance(answer, PendingAnswer):
            self._pending += 1
            self._responder.look_up(answer, self._client, self._send_later)
            return b""
        return b"" if answer is None else len(answer).to_bytes(2, "big") + answer

    def _send_later(self, response: bytes) -> None:
        self._pending -= 1
        if self._transport.is_closing():
            return
        self._transport.write(len(response).to_bytes(2, "big") + response)
        if self._has_ended and not self._pending:
            self._transport.close()

    def eof_received(self) -> bool:
        """A client may close its half and still wait: the connection stays for what is being looked up."""
        self._has_ended = True
        return self._pending > 0

    def pause_writing(self) -> None:
        """A client that does not read its answers is not asked for more questions."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _restart_idle_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._limits.idle_seconds, self._transport.abort)
