"""
The DNS server's sockets: datagrams and streams in, answers out. `runtime/` binds the sockets and hands them in.

`DNSServer.answer` is the whole path of a question that needs no lookup, bytes to bytes without a task or a future:
parse (`messages.py`), decide (`answers.py`), serialize. A passthrough question becomes a task of the server's own
group, under a cap and a deadline (`forwarding.py`).
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, cast

import dns.rdatatype

from iron_proxy.dns import messages
from iron_proxy.dns.answers import Empty, Forward, Refused, Zone
from iron_proxy.dns.forwarding import Forwarded
from iron_proxy.dns.messages import EMPTY, RCODE_NAMES, Query, Unanswerable, parse_query, serialize_response

logger = logging.getLogger("iron_proxy.dns")

# Lookups in flight at once. Each holds a socket for up to five seconds, of the 1024 that a process usually has and
# that the proxy needs too; a workload's burst of names stays far below.
MAX_LOOKUPS = 256
# Stub resolvers turn to TCP only when an answer was truncated, and close after it; each connection is a descriptor.
MAX_STREAMS = 128
# RFC 7766 section 6.2.3 asks for a few seconds. Longer than a lookup may take, so that no answer is cut off.
STREAM_IDLE_SECONDS = 10.0
# A question is at most 12 + 255 + 4 bytes; options and padding (RFC 8467 pads to 128) fit several times over. What a
# client can make us hold while it sends slowly is bounded by this, not by the 65,535 of the length prefix.
MAX_STREAM_QUERY_BYTES = 4096

Event = dict[str, Any]
Address = tuple[Any, ...]  # a socket address: host and port, for IPv6 two numbers more
Reply = Callable[[bytes], None]


class Lookups(Protocol):
    """What finds the addresses of passthrough names: `forwarding.Forwarder`."""

    async def look_up(self, forward: Forward) -> Forwarded:
        """The result, failures included. Never raises."""
        ...


class PendingAnswer(NamedTuple):
    """A question whose answer needs a lookup first; `limit` is the longest response in bytes."""

    query: Query
    forward: Forward
    limit: int


class DNSServer:
    """
    Answers on sockets that it is given, from entry to exit of `async with` or until `aclose`.

    `on_event` gets one dict for every passthrough lookup, refused question and malformed packet, and with
    `reports_every_answer` for all others too: `name`, `type`, `client`, `decision`, `rcode` and sometimes `reason`.
    Assigning `zone` changes the rules between two questions.
    """

    def __init__(
        self,
        zone: Zone,
        forwarder: Lookups,
        on_event: Callable[[Event], None],
        *,
        reports_every_answer: bool = False,
        max_lookups: int = MAX_LOOKUPS,
        max_streams: int = MAX_STREAMS,
        stream_idle_seconds: float = STREAM_IDLE_SECONDS,
    ) -> None:
        self.zone = zone
        self.max_streams = max_streams
        self.stream_idle_seconds = stream_idle_seconds
        self.streams: set[_Stream] = set()
        self._forwarder = forwarder
        self._on_event = on_event
        self._reports_every_answer = reports_every_answer
        self._max_lookups = max_lookups
        self._tasks = asyncio.TaskGroup()
        self._lookups: set[asyncio.Task[None]] = set()
        self._datagram_endpoints: list[asyncio.DatagramTransport] = []
        self._stream_listeners: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
        # Told nothing of `error`, the group only waits; it would wrap an exception of the caller's in a group.
        await self._tasks.__aexit__(None, None, None)

    async def serve(self, datagrams: Sequence[socket.socket] = (), streams: Sequence[socket.socket] = ()) -> None:
        """Start to answer on bound UDP and TCP sockets and return. The server closes them from now on."""
        loop = asyncio.get_running_loop()
        for sock in datagrams:
            sock.setblocking(False)
            endpoint, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=sock)
            self._datagram_endpoints.append(endpoint)
        for sock in streams:
            sock.setblocking(False)
            self._stream_listeners.append(await loop.create_server(lambda: _Stream(self), sock=sock))

    async def aclose(self) -> None:
        """Stop at once: sockets closed, connections dropped, lookups cancelled. May be called more than once."""
        for endpoint in self._datagram_endpoints:
            endpoint.close()
        for listener in self._stream_listeners:
            listener.close()
        for stream in tuple(self.streams):
            stream.abort()
        for lookup in tuple(self._lookups):
            lookup.cancel()
        for listener in self._stream_listeners:
            await listener.wait_closed()
        self._datagram_endpoints.clear()
        self._stream_listeners.clear()

    def answer(self, packet: bytes, client: Address, stream_limit: int | None = None) -> bytes | PendingAnswer | None:
        """
        The response to one packet, None if it gets none, or what must be looked up first.

        `stream_limit` is the longest response over TCP; without it the client's EDNS size decides.
        """
        try:
            return self._answer(packet, client, stream_limit)
        except Exception as error:  # noqa: BLE001 - one question must not end the server, and none goes unreported
            logger.error("dns question failed", extra={"fields": {"error": type(error).__name__}})
            return None

    def _answer(self, packet: bytes, client: Address, stream_limit: int | None) -> bytes | PendingAnswer | None:
        query = parse_query(packet)
        if isinstance(query, Unanswerable):
            self._report_unanswerable(query, client)
            return query.reply
        decision = self.zone.decide(query.name, query.record_type, query.record_class)
        limit = query.udp_limit if stream_limit is None else stream_limit
        if logger.isEnabledFor(logging.DEBUG) and not isinstance(decision, Refused):
            logger.debug("dns %s", decision.rule, extra={"fields": {"name": messages.name_text(query.name)}})
        if isinstance(decision, Forward):
            return PendingAnswer(query, decision, limit)
        if isinstance(decision, Refused):
            self._report(query, client, "refused", messages.REFUSED, decision.reason)
            return serialize_response(query, messages.REFUSED, EMPTY, limit)
        tail = messages.empty_tail(query) if isinstance(decision, Empty) else decision.tail
        if self._reports_every_answer:
            word = "empty" if isinstance(decision, Empty) else decision.rule
            self._report(query, client, word, messages.NOERROR)
        return serialize_response(query, messages.NOERROR, tail, limit)

    def look_up(self, pending: PendingAnswer, client: Address, reply: Reply) -> None:
        """Answer later, from a task; at once with SERVFAIL while too many are on their way."""
        if len(self._lookups) >= self._max_lookups:
            self._report(pending.query, client, "passthrough", messages.SERVFAIL, "too many lookups at once")
            reply(serialize_response(pending.query, messages.SERVFAIL, EMPTY, pending.limit))
            return
        task = self._tasks.create_task(self._look_up(pending, client, reply), name=f"dns {pending.forward.host}")
        self._lookups.add(task)
        task.add_done_callback(self._lookups.discard)

    async def _look_up(self, pending: PendingAnswer, client: Address, reply: Reply) -> None:
        """Report, then answer: what cannot be reported is not answered."""
        try:
            rcode, tail = await self._forwarder.look_up(pending.forward)
            self._report(pending.query, client, "passthrough", rcode)
            reply(serialize_response(pending.query, rcode, tail, pending.limit))
        except asyncio.CancelledError:
            self._report(pending.query, client, "passthrough", messages.SERVFAIL, "the server stopped meanwhile")
            raise
        except Exception as error:  # noqa: BLE001 - a task that fails would take the group's other lookups with it
            logger.error("dns question failed", extra={"fields": {"error": type(error).__name__}})

    def _report(self, query: Query, client: Address, decision: str, rcode: int, reason: str | None = None) -> None:
        event: Event = {
            "name": messages.name_text(query.name),
            "type": dns.rdatatype.to_text(dns.rdatatype.RdataType.make(query.record_type)),
            "client": _client_text(client),
            "decision": decision,
            "rcode": RCODE_NAMES[rcode],
        }
        if reason is not None:
            event["reason"] = reason
        self._on_event(event)

    def _report_unanswerable(self, packet: Unanswerable, client: Address) -> None:
        self._on_event(
            {
                "name": "",
                "type": "",
                "client": _client_text(client),
                "decision": "malformed" if packet.reply is not None else "dropped",
                "rcode": RCODE_NAMES[packet.rcode] if packet.reply is not None else "",
                "reason": packet.reason,
            }
        )

    def report_stream_closed(self, client: Address, reason: str) -> None:
        """Tell that a TCP client was cut off for what it sent."""
        self._report_unanswerable(Unanswerable(reason), client)


def _client_text(address: Address) -> str:
    host, port = address[:2]
    if "." in host:
        host = host.removeprefix("::ffff:")  # an IPv4 client of a dual-stack socket
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# --- sockets --------------------------------------------------------------------------------------------------------


class _Datagrams(asyncio.DatagramProtocol):
    """One UDP socket."""

    def __init__(self, server: DNSServer) -> None:
        self._server = server
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, packet: bytes, client: Address) -> None:
        if self._is_full:
            return  # answers do not leave: more would only pile up, and clients ask again
        answer = self._server.answer(packet, client)
        if type(answer) is bytes:
            self._transport.sendto(answer, client)
        elif isinstance(answer, PendingAnswer):
            self._server.look_up(answer, client, partial(self._send_later, client))

    def _send_later(self, client: Address, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(response, client)

    def error_received(self, error: Exception) -> None:
        text = error.strerror if isinstance(error, OSError) else type(error).__name__
        logger.error("dns write failed", extra={"fields": {"error": text}})

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False


class _Stream(asyncio.Protocol):
    """One TCP connection: questions and answers behind a two-byte length, answers as they come (RFC 7766)."""

    def __init__(self, server: DNSServer) -> None:
        self._server = server
        self._unread = bytearray()
        self._pending = 0
        self._has_ended = False
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client: Address = transport.get_extra_info("peername") or ("", 0)
        if len(self._server.streams) >= self._server.max_streams:
            self._server.report_stream_closed(self._client, "too many connections")
            self._transport.abort()
            return
        self._server.streams.add(self)
        self._restart_idle_timer()

    def connection_lost(self, error: Exception | None) -> None:
        self._server.streams.discard(self)
        if self._idle is not None:
            self._idle.cancel()

    def abort(self) -> None:
        """Close without sending what is still buffered."""
        self._transport.abort()

    def data_received(self, piece: bytes) -> None:
        self._unread += piece
        answers = bytearray()
        position = 0
        while len(self._unread) >= position + 2:
            size = int.from_bytes(self._unread[position : position + 2], "big")
            if not messages.HEADER_BYTES <= size <= MAX_STREAM_QUERY_BYTES:
                self._server.report_stream_closed(self._client, "a length that no query has")
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
        answer = self._server.answer(packet, self._client, messages.MAX_TCP_BYTES)
        if isinstance(answer, PendingAnswer):
            self._pending += 1
            self._server.look_up(answer, self._client, self._send_later)
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
        self._transport.pause_reading()  # a client that does not read its answers is not asked for more questions

    def resume_writing(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _restart_idle_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._server.stream_idle_seconds, self._transport.abort)
