"""
Patterns over the decoded path.

One pattern by itself; many at once are asked through `path_index.py`. That a rule with `paths` does not admit a path
that can be read in two ways (`messages/ambiguous_path.py`) is the business of `rule.py`.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from iron_proxy.matching.glob import WILDCARDS, compile_glob

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True, eq=False)
class PathPattern:
    """`/v1/*` is everything under `/v1` and itself; any other pattern is a shell pattern within the segments."""

    text: str  # as the operator wrote it
    prefix: str | None = None  # "/v1/" for "/v1/*", compared literally
    exact: str | None = None
    trap: str | None = None  # why it does not do what it seems to say
    _compiled: Any = field(default=None, repr=False)  # Any: google-re2 ships no types

    @classmethod
    def parse(cls, text: str) -> "PathPattern":
        """Read a pattern. Raises ValueError with a sentence."""
        if not text.startswith("/"):
            raise ValueError(f'path "{text}" must start with /')
        trap = _trap(text)
        if text.endswith("/*"):
            return cls(text, prefix=text[:-1], trap=trap)
        if WILDCARDS.isdisjoint(text):
            return cls(text, exact=text, trap=trap)
        try:
            return cls(text, trap=trap, _compiled=compile_glob(text))
        except ValueError as error:
            raise ValueError(f'path "{text}": {error}') from None

    @property
    def matches_all(self) -> bool:
        """Whether every path matches, the empty one included."""
        return self.prefix == "/"

    def matches(self, path: str) -> bool:
        """Whether the pattern covers a decoded path."""
        if self.prefix is not None:
            return path.startswith(self.prefix) or path == self.prefix[:-1]
        if self.exact is not None:
            return path == self.exact
        return self._compiled.fullmatch(path) is not None


def _trap(text: str) -> str | None:
    if text.endswith("/*") and not WILDCARDS.isdisjoint(text[:-2]):
        # Parity: upstream compares what stands before a final /* literally, so such a rule admits nothing real.
        return f'path "{text}" matches nothing useful: before a final /* wildcards are literal; write whole segments'
    if _ESCAPE.search(text) is not None:
        return f'path "{text}" is compared with the decoded path; write the characters themselves, not % escapes'
    return None
