"""
The whole path of a DNS question, without sockets: parse (`messages.py`), decide (`answers.py`), serialize, report.

`Responder.answer` takes bytes and gives bytes, with no task or future, for everything that needs no lookup. A
passthrough question that nobody has asked lately becomes a task under `lookup_limits.py` (`forwarding.py` asks).
`datagrams.py` and `streams.py` call both; `server.py` owns them and this.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import dns.rdatatype

from iron_proxy.dns import messages
from iron_proxy.dns.answers import Empty, Forward, Refused, Zone
from iron_proxy.dns.event_flow import DNSEvent, EventFlow, OnEvent, Word
from iron_proxy.dns.forwarding import Forwarded
from iron_proxy.dns.lookup_limits import LookupLimits
from iron_proxy.dns.messages import EMPTY, RCODE_NAMES, Query, Unanswerable, parse_query, serialize_response
from iron_proxy.errors import IronProxyError
from iron_proxy.messages.client_key import client_key

logger = logging.getLogger("iron_proxy.dns")

Address = tuple[Any, ...]  # a socket address: host and port, for IPv6 two numbers more
Reply = Callable[[bytes], None]


class Lookups(Protocol):
    """What finds the records of passthrough names: `forwarding.Forwarder`."""

    def known(self, forward: Forward) -> Forwarded | None:
        """The result if nobody has to be asked for it."""
        ...

    async def look_up(self, forward: Forward) -> Forwarded:
        """The result, failures included."""
        ...


# Awaited before anything leaves the machine; what it raises (IronProxyError) is the reason that nothing does.
BeforeLookup = Callable[[], Awaitable[None]]


class PendingAnswer(NamedTuple):
    """A question whose answer needs a lookup first; `limit` is the longest response in bytes."""

    query: Query
    forward: Forward
    limit: int


class Responder:
    """
    Answers packets. Lookups run as tasks of `tasks`, which `server.py` enters and leaves.

    `on_event` is told every passthrough lookup, refused question and malformed packet, and with `reports_every_answer`
    all others too. Assigning `zone` changes the rules between two questions.
    """

    def __init__(
        self,
        zone: Zone,
        lookups: Lookups,
        on_event: OnEvent,
        *,
        limits: LookupLimits | None = None,
        reports_every_answer: bool = False,
        before_lookup: BeforeLookup | None = None,
    ) -> None:
        self.zone = zone
        self.tasks = asyncio.TaskGroup()
        self.events = EventFlow(on_event)
        self._lookups = lookups
        self._limits = limits or LookupLimits(None)
        self._reports_every_answer = reports_every_answer
        self._before_lookup = before_lookup
        self._under_way: set[asyncio.Task[None]] = set()

    def replace(self, zone: Zone, lookups: Lookups | None = None, limits: LookupLimits | None = None) -> None:
        """Change the rules between two questions, and what else is given; lookups under way end as they began."""
        self.zone = zone
        self._lookups = lookups or self._lookups
        self._limits = limits or self._limits

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
        zone = self.zone
        asker = client_text(client) if zone.asks_policy else ""
        decision = zone.decide(query.name, query.record_type, query.record_class, asker)
        limit = query.udp_limit if stream_limit is None else stream_limit
        if isinstance(decision, Refused):
            return self._refuse(query, client, decision, limit)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("dns %s", decision.rule, extra={"fields": {"name": messages.name_text(query.name)}})
        if isinstance(decision, Forward):
            return self._answer_known(query, client, decision, limit) or PendingAnswer(query, decision, limit)
        tail = messages.empty_tail(query) if isinstance(decision, Empty) else decision.tail
        if self._reports_every_answer:
            word: Word = "empty" if isinstance(decision, Empty) else decision.rule
            self.events.tell(_event(query, client, word, messages.NOERROR))
        return serialize_response(query, messages.NOERROR, tail, limit)

    def _refuse(self, query: Query, client: Address, refused: Refused, limit: int) -> bytes:
        def event() -> DNSEvent:
            return _event(query, client, "refused", refused.rcode, refused.reason)

        self.events.tell_or_count(client[0], "refused", RCODE_NAMES[refused.rcode], event)
        tail = messages.empty_tail(query) if refused.rcode == messages.NXDOMAIN else EMPTY
        return serialize_response(query, refused.rcode, tail, limit, refused.opt)

    def _answer_known(self, query: Query, client: Address, forward: Forward, limit: int) -> bytes | None:
        known = self._lookups.known(forward)
        if known is None:
            return None

        def event() -> DNSEvent:
            return _event(query, client, "passthrough", known.rcode, known.reason, known.upstream)

        self.events.tell_or_count(client[0], "passthrough", RCODE_NAMES[known.rcode], event)
        return serialize_response(query, known.rcode, known.tail, limit)

    def look_up(self, pending: PendingAnswer, client: Address, reply: Reply) -> None:
        """Answer later, from a task; at once, and with no address, when this client or all of them ask for too much."""
        key = client_key(client[0])
        limits = self._limits
        refused = limits.begin(key)
        if refused is not None:
            reply(self._refuse(pending.query, client, refused, pending.limit))
            return
        task = self.tasks.create_task(self._look_up(pending, client, reply), name=f"dns {pending.forward.host}")
        self._under_way.add(task)
        task.add_done_callback(lambda done: self._end_lookup(done, limits, key))

    def _end_lookup(self, task: "asyncio.Task[None]", limits: LookupLimits, key: str) -> None:
        self._under_way.discard(task)
        limits.end(key)

    async def _look_up(self, pending: PendingAnswer, client: Address, reply: Reply) -> None:
        """Report, then answer: what cannot be reported is not answered."""
        started = perf_counter()
        try:
            rcode, tail, upstream, reason = await self._result_of(pending.forward)
            duration = perf_counter() - started
            self.events.tell(_event(pending.query, client, "passthrough", rcode, reason, upstream, duration))
            reply(serialize_response(pending.query, rcode, tail, pending.limit))
        except asyncio.CancelledError:
            reason = "the server stopped meanwhile"
            self.events.tell(_event(pending.query, client, "passthrough", messages.SERVFAIL, reason))
            raise
        except Exception as error:  # noqa: BLE001 - a task that fails would take the group's other lookups with it
            logger.error("dns question failed", extra={"fields": {"error": type(error).__name__}})

    async def _result_of(self, forward: Forward) -> Forwarded:
        if self._before_lookup is not None:
            try:
                await self._before_lookup()
            except IronProxyError as error:
                return Forwarded(messages.SERVFAIL, EMPTY, "", str(error))
        return await self._lookups.look_up(forward)

    def stop(self) -> None:
        """Cancel all lookups, and tell what was only counted."""
        for lookup in tuple(self._under_way):
            lookup.cancel()
        self.events.tell_omissions()

    def report_stream_closed(self, client: Address, reason: str) -> None:
        """Tell that a TCP client was cut off for what it did."""
        self._report_unanswerable(Unanswerable(reason), client)

    def _report_unanswerable(self, packet: Unanswerable, client: Address) -> None:
        word: Word = "dropped" if packet.reply is None else "malformed"
        rcode = "" if packet.reply is None else RCODE_NAMES[packet.rcode]

        def event() -> DNSEvent:
            return DNSEvent("", "", client_text(client), word, rcode, packet.reason)

        self.events.tell_or_count(client[0], word, rcode, event)


def _event(
    query: Query, client: Address, decision: Word, rcode: int,
    reason: str = "", upstream: str = "", duration: float | None = None,
) -> DNSEvent:  # fmt: skip
    record_type = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(query.record_type))
    name = messages.name_text(query.name)
    return DNSEvent(name, record_type, client_text(client), decision, RCODE_NAMES[rcode], reason, upstream, duration)


def client_text(address: Address) -> str:
    """A socket address as `1.2.3.4:567` or `[v6]:567`; an IPv4 client of a dual-stack socket as IPv4."""
    host, port = address[:2]
    if "." in host:
        host = host.removeprefix("::ffff:")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
