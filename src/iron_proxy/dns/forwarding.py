"""
Passthrough: the one way on which a DNS question leaves the machine.

Which names may is decided in `answers.py`; how many at a time, in `server.py`; where they are asked, in
`upstream/resolver.py`. Here a lookup gets its deadline and its result becomes records.
"""

import asyncio
import logging
from typing import NamedTuple

from iron_proxy.dns import messages
from iron_proxy.dns.answers import Forward
from iron_proxy.dns.messages import Record, Tail, address_record, build_tail
from iron_proxy.errors import UpstreamUnreachable
from iron_proxy.upstream.resolver import AddressFamily, NoSuchHost, Resolver

logger = logging.getLogger("iron_proxy.dns")

# A stub resolver (glibc, musl) asks again or elsewhere after five seconds: a later answer finds nobody waiting.
LOOKUP_DEADLINE = 5.0

_FAMILIES: dict[int, AddressFamily] = {messages.A: "A", messages.AAAA: "AAAA"}


class Forwarded(NamedTuple):
    """The result of a lookup, ready to be put behind the question."""

    rcode: int
    tail: Tail


class Forwarder:
    """Looks passthrough names up. One serves all queries at once; it owns nothing to close."""

    def __init__(self, resolver: Resolver, deadline: float = LOOKUP_DEADLINE) -> None:
        self._resolver = resolver
        self._deadline = deadline

    async def look_up(self, forward: Forward) -> Forwarded:
        """The addresses, NXDOMAIN as NXDOMAIN, any other failure as SERVFAIL with a WARN line. Never raises."""
        try:
            async with asyncio.timeout(self._deadline):
                addresses = await self._resolver.lookup(forward.host, _FAMILIES[forward.record_type])
        except NoSuchHost:
            return Forwarded(messages.NXDOMAIN, build_tail(forward.aliases))
        except UpstreamUnreachable as error:
            return _failed(forward.host, str(error))
        except TimeoutError:
            return _failed(forward.host, f"lookup {forward.host}: timed out")
        records: list[Record] = [address_record(address, forward.owner) for address in addresses]
        return Forwarded(messages.NOERROR, build_tail([*forward.aliases, *records]))


def _failed(host: str, error: str) -> Forwarded:
    logger.warning("dns passthrough lookup failed", extra={"fields": {"name": host, "error": error}})
    return Forwarded(messages.SERVFAIL, messages.EMPTY)
