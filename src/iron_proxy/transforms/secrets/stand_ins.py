"""
A secret's name in the place of its value: for telling what would happen to a request (`iron-proxy explain`).

Nothing is fetched, so there is nothing that could be shown by mistake. Used by `SecretsTransform.rehearsal`.
"""

import re
from dataclasses import replace

from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry

# A label may hold anything; in a header field only these are sure to stand.
_UNSAFE = re.compile(r"[^A-Za-z0-9._/@:-]")


class StandInSource:
    """Yields `[secret:NAME]`, always."""

    __slots__ = ("current", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.current: Secret | None = Secret(name, stand_in_of(name))

    async def get(self) -> Secret:
        """The stand-in."""
        return self.current or Secret(self.name, stand_in_of(self.name))


def stand_in_of(name: str) -> str:
    """What is shown for the secret of this name."""
    return f"[secret:{_UNSAFE.sub('_', name)}]"


def with_stand_in(entry: Entry) -> Entry:
    """The same entry, of a source without a value."""
    return replace(entry, source=StandInSource(entry.name), label=entry.name)
