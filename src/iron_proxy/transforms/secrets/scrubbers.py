"""
Which secrets have gone to an upstream, and the scrubbers that take them out of whatever comes from there.

Not only out of the answer to the request that a secret was in: what is stored at an upstream can be fetched by a
request without any token, and an answer that began before may bring what is stored later. Which destinations belong
together follows from the configuration alone (the entries that may apply to a host), so what is kept here is bounded
by it. Asked by `transform.py`, by `message_swaps.py`, and by `late_uses.py` while a body streams.
"""

import logging
from collections.abc import Iterable

from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.redact import Redactor, SpelledSecret, ask_for_readable, gap_of
from iron_proxy.transforms.secrets.scrubbing import ResponseScrubber

# Of one entry: the value in use and those before it, which an upstream may have stored and may still take. More than
# one rotation while an answer streams is rare, and every value costs a search.
_VALUES_REMEMBERED = 4

_log = logging.getLogger("iron_proxy.secrets")


class _Known:
    """What has been sent of some entries. Follows `Known` in `scrubbing.py`; the ledger tells it what is new."""

    __slots__ = ("_redactor", "_spelled", "entries")

    def __init__(self, entries: frozenset[Entry], spelled: tuple[SpelledSecret, ...]) -> None:
        self.entries = entries
        self.learn(spelled)

    def learn(self, spelled: tuple[SpelledSecret, ...]) -> None:
        """All of it. The next answer needs another redactor."""
        self._spelled = spelled
        self._redactor: Redactor | None = None

    @property
    def redactor(self) -> Redactor:
        """What to look for now."""
        if self._redactor is None:
            self._redactor = Redactor(self._spelled)
        return self._redactor


class SentSecrets:
    """
    The secrets that have gone to the hosts that the same entries apply to.

    `scrubbers` is what an exchange with one of these hosts is given: one for all of them, and none where no entry
    wants it. It knows at every moment what has been sent until then.
    """

    __slots__ = ("_known", "_ledger", "scrubbers")

    def __init__(self, known: _Known, scrubbers: tuple[ResponseScrubber, ...], ledger: "SentLedger") -> None:
        self._known = known
        self._ledger = ledger
        self.scrubbers = scrubbers

    @property
    def redactor(self) -> Redactor:
        """What to look for now."""
        return self._known.redactor

    def note(self, entry: Entry, secret: Secret) -> None:
        """A secret goes into a request."""
        self._ledger.note(entry, secret)


class SentLedger:
    """
    The secrets of one configuration that have gone anywhere: an entry's go to all hosts that it applies to.

    It knows who wants to know, and none of them knows it, so that a configuration that a reload has replaced goes with
    its secrets at once and does not wait for the collector.
    """

    def __init__(self) -> None:
        self._latest: dict[Entry, Secret] = {}
        self._spelled: dict[Entry, tuple[SpelledSecret, ...]] = {}    # the newest first
        self._known: dict[frozenset[Entry], tuple[_Known, tuple[ResponseScrubber, ...]]] = {}
        self._warned: set[Entry] = set()

    def of(self, entries: frozenset[Entry]) -> SentSecrets:
        """What has gone to the hosts that these entries may apply to."""
        wanted = frozenset(entry for entry in entries if entry.redact_responses)
        if wanted not in self._known:
            known = _Known(wanted, self._spelled_of(wanted))
            self._known[wanted] = known, (ResponseScrubber(known),) if wanted else ()
            self._note_what_is_at_hand(wanted)
        return SentSecrets(*self._known[wanted], self)

    def _note_what_is_at_hand(self, entries: Iterable[Entry]) -> None:
        """What nobody has to wait for may have been sent by the process before this one."""
        for entry in entries:
            secret = entry.source.current if entry not in self._latest else None
            if secret is not None:
                self.note(entry, secret)

    def note(self, entry: Entry, secret: Secret) -> None:
        """A secret goes into a request."""
        if self._latest.get(entry) is not secret:  # the same object is the same value (see Source)
            self._add(entry, secret)

    def _spelled_of(self, entries: frozenset[Entry]) -> tuple[SpelledSecret, ...]:
        """All that has been sent of some entries; first what is in use, so that its name and its token count."""
        sent = [self._spelled.get(entry, ()) for entry in self._spelled if entry in entries]
        return (*(values[0] for values in sent), *(value for values in sent for value in values[1:]))

    def _add(self, entry: Entry, secret: Secret) -> None:
        self._latest[entry] = secret
        if not entry.redact_responses:
            return
        self._warn_of_gap(entry, secret)
        before = [each for each in self._spelled.get(entry, ()) if each.secret is not secret]
        self._spelled[entry] = (SpelledSecret(entry, secret), *before[: _VALUES_REMEMBERED - 1])
        for known, _ in self._known.values():
            if entry in known.entries:
                known.learn(self._spelled_of(known.entries))

    def _warn_of_gap(self, entry: Entry, secret: Secret) -> None:
        """Say once what an operator would not expect."""
        gap = None if entry in self._warned else gap_of(entry, secret)
        if gap is not None:
            self._warned.add(entry)
            _log.warning(f"secret {gap}", extra={"fields": {"secret": entry.name}})


def watch(exchange: Exchange, sent: SentSecrets, used: Iterable[tuple[Entry, Secret]] = ()) -> None:
    """See to it that none of these secrets comes back, nor what has been or will be sent there."""
    for entry, secret in used:
        sent.note(entry, secret)
    if sent.scrubbers and sent.scrubbers[0] not in exchange.scrubbers:
        ask_for_readable(exchange.request.headers)
        exchange.scrubbers += sent.scrubbers
