"""
Which secrets have gone to an upstream, and the scrubbers that take them out of whatever comes from there.

Not only out of the answer to the request that a secret was in: what is stored at an upstream can be fetched by a
request without any token. Which destinations belong together follows from the configuration alone (the entries that may
apply to a host), so what is kept here is bounded by it. Asked by `transform.py`, and by `late_uses.py` while a body
streams.
"""

import logging
from collections.abc import Iterable

from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.redact import Redactor, ask_for_readable, gap_of
from iron_proxy.transforms.secrets.scrubbing import ResponseScrubber

_log = logging.getLogger("iron_proxy.secrets")


class SentSecrets:
    """
    The secrets that have gone to the hosts that the same entries apply to; of an entry the one that was used last.

    `scrubbers` is what an exchange with one of these hosts is given: one for all of them, none while there are none.
    """

    __slots__ = ("_secrets", "_warned", "scrubbers")

    def __init__(self) -> None:
        self.scrubbers: tuple[ResponseScrubber, ...] = ()
        self._secrets: dict[Entry, Secret] = {}
        self._warned: set[Entry] = set()

    def note(self, entry: Entry, secret: Secret) -> None:
        """A secret goes into a request."""
        if self._secrets.get(entry) is not secret:  # the same object is the same value (see Source)
            self._add(entry, secret)

    def _add(self, entry: Entry, secret: Secret) -> None:
        self._secrets[entry] = secret
        if not entry.redact_responses:
            return
        self._warn_of_gap(entry, secret)
        redactor = Redactor([(each, value) for each, value in self._secrets.items() if each.redact_responses])
        self.scrubbers = (ResponseScrubber(redactor),) if redactor.shortest else ()

    def _warn_of_gap(self, entry: Entry, secret: Secret) -> None:
        """Say once what an operator would not expect."""
        gap = None if entry in self._warned else gap_of(entry, secret)
        if gap is not None:
            self._warned.add(entry)
            _log.warning(f"secret {gap}", extra={"fields": {"secret": entry.name}})


def watch(exchange: Exchange, sent: SentSecrets, used: Iterable[tuple[Entry, Secret]] = ()) -> None:
    """See to it that none of these secrets comes back, nor what has been sent there before."""
    for entry, secret in used:
        sent.note(entry, secret)
    if sent.scrubbers and sent.scrubbers[0] not in exchange.scrubbers:
        ask_for_readable(exchange.request.headers)
        exchange.scrubbers += sent.scrubbers
