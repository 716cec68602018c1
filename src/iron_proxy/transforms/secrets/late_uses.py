"""
What is swapped in a body while it streams: noted although its trace is made already, and kept from coming back.

The trace shows the notes as they are when the exchange has ended. Made by `transform.py` for `swapped_body.py`.
"""

from collections.abc import Mapping

from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.plan import BodyScanner
from iron_proxy.transforms.secrets.scrubbers import SentSecrets

_PLACE = "body"


class LateUses:
    """The uses of secrets in one streaming body."""

    def __init__(self, exchange: Exchange, sent: SentSecrets) -> None:
        self._notes = exchange.notes              # its own trace's: later ones belong to other transforms
        self._sent = sent

    def used(self, entry: Entry, secret: Secret) -> None:
        """A secret takes its token's place. The answer may have begun: its scrubber learns of it."""
        self._sent.note(entry, secret)
        swapped = self._notes.setdefault("swapped", [])
        for noted in swapped:
            if noted["secret"] == entry.name:
                if _PLACE not in noted["locations"]:
                    noted["locations"].append(_PLACE)
                return
        swapped.append({"secret": entry.name, "locations": [_PLACE]})

    def unfit(self, entry: Entry) -> None:
        """A token stays, since the body's length is fixed and its secret has another."""
        self._notes["token_unswapped"] = [_PLACE]


def at_hand(scanner: BodyScanner, secrets: Mapping[Entry, Secret]) -> dict[Entry, Secret]:
    """The secrets that a streaming body may come to need, as far as nobody has to wait for them."""
    found = dict(secrets)
    for owners in scanner.owners.values():
        for owner in owners:
            secret = found.get(owner.entry) or owner.entry.source.current
            if secret is not None:
                found[owner.entry] = secret
    return found
