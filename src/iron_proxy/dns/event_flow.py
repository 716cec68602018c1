"""
What is told of DNS questions, and how much of it: a flood of them must not become a flood of audit records.

A client that asks for too much is recorded up to a rate; what is beyond is counted, and the count is an event itself.
Lookups that left the machine are recorded one by one: `lookup_limits.py` bounds them already. `responder.py` reports;
`runtime/` makes records of the events.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from iron_proxy.dns.token_buckets import TokenBuckets
from iron_proxy.messages.client_key import client_key

# "empty", "intercept" and "static" are reported on request only.
Word = Literal["passthrough", "refused", "malformed", "dropped", "empty", "intercept", "static"]

# Per client and in all: what happened at once when a program starts with a long search list is kept whole; in the long
# run a flood from everywhere writes some 600 MB a day.
BURST_PER_CLIENT: Final = 200
PER_SECOND_PER_CLIENT: Final = 5.0
BURST_IN_TOTAL: Final = 1000
PER_SECOND_IN_TOTAL: Final = 25.0
# How often what was not recorded is counted.
OMISSIONS_EVERY: Final = 10.0


class DNSEvent(NamedTuple):
    """One question, or packet, or many that were not told one by one (`omitted`)."""

    name: str  # as text, "" where there was no question
    record_type: str
    client: str  # `ip:port`
    decision: Word
    rcode: str  # "" without a response
    reason: str = ""
    upstream: str = ""  # who said it: `ip:port`, `cache` or `hosts`
    duration: float | None = None  # seconds, of what was looked up
    omitted: int = 0


OnEvent = Callable[[DNSEvent], None]
CallLater = Callable[[float, Callable[[], None]], object]


def _call_later(delay: float, callback: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(delay, callback)


class EventFlow:
    """Passes events on to `on_event`, and counts what is too much."""

    def __init__(
        self,
        on_event: OnEvent,
        *,
        per_client: TokenBuckets | None = None,
        in_total: TokenBuckets | None = None,
        call_later: CallLater = _call_later,
    ) -> None:
        self._on_event = on_event
        self._per_client = per_client or TokenBuckets(PER_SECOND_PER_CLIENT, BURST_PER_CLIENT)
        self._in_total = in_total or TokenBuckets(PER_SECOND_IN_TOTAL, BURST_IN_TOTAL)
        self._call_later = call_later
        self._omitted: Counter[tuple[Word, str]] = Counter()

    def tell(self, event: DNSEvent) -> None:
        """Pass on an event whatever the rate."""
        self._on_event(event)

    def tell_or_count(self, client_host: str, decision: Word, rcode: str, event: Callable[[], DNSEvent]) -> None:
        """
        Pass on an event of a client, or count it when there have been too many.

        `event` makes it: in a flood nearly all are only counted, and none of their names has to be written out.
        """
        if self._per_client.take(client_key(client_host)) and self._in_total.take("all"):
            self._on_event(event())
            return
        if not self._omitted:
            self._call_later(OMISSIONS_EVERY, self.tell_omissions)
        self._omitted[decision, rcode] += 1

    def tell_omissions(self) -> None:
        """One event for each kind of what was counted since the last time."""
        omitted, self._omitted = self._omitted, Counter()
        for (decision, rcode), count in omitted.items():
            self._on_event(DNSEvent("", "", "", decision, rcode, "too many to record one by one", omitted=count))
