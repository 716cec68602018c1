"""
Passthrough: the one way on which a DNS question leaves the machine.

Which names may is decided in `answers.py`; how many, in `responder.py` with `lookup_limits.py`. Here a question is
answered from what is known, or put to the name servers by turns, once however many ask for it, and within a deadline.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import NamedTuple

from iron_proxy.dns import messages
from iron_proxy.dns.answer_cache import AnswerCache, Key
from iron_proxy.dns.answers import Forward
from iron_proxy.dns.messages import Record, Tail, address_record, build_tail, soa_record
from iron_proxy.dns.name_servers import NameServers
from iron_proxy.dns.upstream_query import Question, Server, ask
from iron_proxy.dns.upstream_replies import Failure, Found, read_reply
from iron_proxy.errors import UpstreamProtocolError, UpstreamUnreachable

logger = logging.getLogger("iron_proxy.dns")

# A stub resolver (glibc, musl) asks again or elsewhere after five seconds: a later answer finds nobody waiting.
LOOKUP_DEADLINE = 5.0
# One lost datagram costs this much; three servers fit into the deadline.
TRY_SECONDS = 1.6
# One retry, of the same server where there is no other.
_MIN_TRIES = 2

_ADDRESS_TYPES = (messages.A, messages.AAAA)


class Forwarded(NamedTuple):
    """The result of a lookup, ready to be put behind the question."""

    rcode: int
    tail: Tail
    upstream: str = ""  # who said it: `ip:port`, `cache` or `hosts`
    reason: str = ""  # why it failed


class _Outcome(NamedTuple):
    found: Found | Failure
    upstream: str


class Forwarder:
    """Looks passthrough names up. One serves all queries at once; it owns nothing to close."""

    def __init__(
        self,
        name_servers: NameServers,
        *,
        cache: AnswerCache | None = None,
        deadline: float = LOOKUP_DEADLINE,
        try_seconds: float = TRY_SECONDS,
    ) -> None:
        self._name_servers = name_servers
        self._cache = AnswerCache() if cache is None else cache
        self._deadline = deadline
        self._try_seconds = try_seconds
        self._flights: dict[Key, asyncio.Future[_Outcome]] = {}
        self._last_good: Server | None = None

    def known(self, forward: Forward) -> Forwarded | None:
        """What can be said without asking anybody."""
        local = self._name_servers.local_addresses(forward.host)
        if local:
            records = _local_records(local, forward)
            return Forwarded(messages.NOERROR, build_tail([*forward.aliases, *records]), "hosts")
        found = self._cache.get((forward.host, forward.record_type))
        return None if found is None else _forwarded(forward, _Outcome(found, "cache"))

    async def look_up(self, forward: Forward) -> Forwarded:
        """The records, NXDOMAIN as NXDOMAIN, any other failure as SERVFAIL with a WARN line."""
        key = forward.host, forward.record_type
        flight = self._flights.get(key)
        if flight is not None:
            return _forwarded(forward, await asyncio.shield(flight))
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            outcome = await self._ask_all(key)
        except BaseException as error:
            if isinstance(error, Exception):
                flight.set_exception(error)
                flight.exception()  # seen: there may be nobody else who waits
            else:
                flight.cancel()
            raise
        finally:
            del self._flights[key]
        flight.set_result(outcome)
        return _forwarded(forward, outcome)

    async def _ask_all(self, key: Key) -> _Outcome:
        outcome = _Outcome(Failure("timed out"), "")
        try:
            async with asyncio.timeout(self._deadline):
                for server in self._in_order():
                    outcome = _Outcome(await self._ask_one(server, key), str(server))
                    if isinstance(outcome.found, Found):
                        self._last_good = server
                        self._cache.put(key, outcome.found)
                        return outcome
        except TimeoutError:
            pass
        error = f"lookup {key[0]}: {outcome.found.reason if isinstance(outcome.found, Failure) else 'timed out'}"
        logger.warning("dns passthrough lookup failed", extra={"fields": {"name": key[0], "error": error}})
        return outcome

    async def _ask_one(self, server: Server, key: Key) -> Found | Failure:
        host, record_type = key
        try:
            async with asyncio.timeout(self._try_seconds):
                return read_reply(await ask(server, Question.build(host, record_type)), record_type)
        except TimeoutError:
            return Failure("timed out")
        except (UpstreamUnreachable, UpstreamProtocolError) as error:
            return Failure(str(error))

    def _in_order(self) -> Iterable[Server]:
        """The server that answered last first: one that is down then costs one lookup its time, not each."""
        servers = sorted(self._name_servers.servers(), key=lambda server: server != self._last_good)
        return servers if len(servers) >= _MIN_TRIES else servers * _MIN_TRIES


def _forwarded(forward: Forward, outcome: _Outcome) -> Forwarded:
    found, upstream = outcome
    if isinstance(found, Failure):
        return Forwarded(messages.SERVFAIL, messages.EMPTY, upstream, found.reason)
    records = [Record(forward.record_type, content, forward.owner, found.ttl) for content in found.contents]
    emptiness = [soa_record(found.ttl)] if found.ttl and not records else []
    return Forwarded(found.rcode, build_tail([*forward.aliases, *records], emptiness), upstream)


def _local_records(addresses: Iterable[str], forward: Forward) -> list[Record]:
    if forward.record_type not in _ADDRESS_TYPES:
        return []
    records = (address_record(address, forward.owner) for address in addresses)
    return [record for record in records if record.record_type == forward.record_type]
