"""
What may be said about a secret without giving it away: how long it roughly is, and what about it will cause trouble.

For `iron-proxy secrets check`, which shows the findings to people. Never the value, a part of it or a digest, which
could be compared with guesses.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry
from iron_proxy.transforms.secrets.spellings import coverage_note

# From where on each class begins; what is below the first is named apart. Wide on purpose: an exact length helps who
# guesses, while these tell an API key from a mistake and from a key file.
_CLASSES = ((512, "≥ 512"), (64, "64–511"), (16, "16–63"), (1, "< 16"), (0, "empty"))
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# What examples call tokens. A value that begins so was likely pasted into the wrong place.
_PROXY_TOKEN = re.compile(r"(iron-)?proxy[-_]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """What there is to say about one secret. `notes` are clauses; without any it is as it should be."""

    length: str
    notes: tuple[str, ...]


class Examination:
    """Of the secrets of one configuration, one after the other: what two of them have in common is noted too."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._tokens = {entry.replacement.token for entry in entries if entry.replacement is not None}
        self._seen: dict[str, str] = {}

    def of(self, secret: Secret, name: str, entry: Entry | None = None) -> Finding:
        """Look at a secret; `entry` is None for a client's password."""
        value = secret.reveal()
        content = value.encode("utf-8", "surrogateescape")
        notes = [*_notes_on_characters(value)]
        if any(token in content for token in self._tokens):
            notes.append("holds a proxy token of this configuration: are source and proxy_value mixed up?")
        elif _PROXY_TOKEN.match(value):
            notes.append("looks like a proxy token: are source and proxy_value mixed up?")
        if entry is not None and entry.redact_responses:
            notes += filter(None, [coverage_note(content, _stand_in(entry))])
        if value in self._seen:
            notes.append(f"is the same as {self._seen[value]}")
        self._seen.setdefault(value, name)
        return Finding(length_class(value), tuple(notes))


def length_class(value: str) -> str:
    """Roughly how many characters a value has."""
    return next(name for least, name in _CLASSES if len(value) >= least)


def _notes_on_characters(value: str) -> list[str]:
    notes = []
    if value.endswith(("\n", "\r")):
        notes.append("ends in a newline: write it without one, or set trim: true on its source if it is a file")
    if _CONTROL.search(value.rstrip("\r\n")):
        notes.append("holds control characters: it cannot stand in a header")
    if value != value.strip(" \t\xa0\ufeff"):
        notes.append("begins or ends with a blank")
    return notes


def _stand_in(entry: Entry) -> bytes:
    return entry.replacement.token if entry.replacement is not None else f"[redacted:{entry.name}]".encode()
