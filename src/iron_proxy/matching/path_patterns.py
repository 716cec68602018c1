"""
Patterns over the decoded path, and the test for paths that cannot be decided on.

A rule is decided on the percent-decoded path while the wire's bytes go upstream. Where an origin may read those bytes
as another path than we did (`%2f`, `..;`, `%252e`, `//`), a rule with `paths` must not admit them: `path_is_ambiguous`
says so, `rule.py` obeys. Plain dot segments never get here, the request checks answer 400; they count all the same.
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from iron_proxy.matching.glob import WILDCARDS, compile_glob

# Only a path with one of these can be ambiguous; nearly every path has none and costs one scan.
_SUSPECT = re.compile(rb"[%\\;\x00]|//|/\.")
# An encoded slash, backslash or NUL; and an escape that is none: servers keep it, drop it, or read `%u002e`.
_BAD_ESCAPE = re.compile(rb"%(?:2f|5c|00|(?![0-9a-f]{2}))", re.IGNORECASE)
# After one decoding. `;` beside a dot: Java servers cut parameters off a segment before they look for `..`. A second
# (third, ...) escape of the same characters: some origins decode again. Overlong UTF-8: old decoders make `.` of C0 AE.
_AMBIGUOUS = re.compile(
    rb"[\\\x00]|//|\.;|;\.|(?:\A|/)\.\.?(?:[/;]|\Z)|%(?:25)*(?:2e|2f|5c|3b|00)|[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]",
    re.IGNORECASE,
)
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


def path_is_ambiguous(raw_path: bytes) -> bool:
    """Whether an origin could read the wire's path as another one than we decide on."""
    if _SUSPECT.search(raw_path) is None:
        return False
    if _BAD_ESCAPE.search(raw_path) is not None:
        return True
    return _AMBIGUOUS.search(unquote_to_bytes(raw_path)) is not None


def _trap(text: str) -> str | None:
    if text.endswith("/*") and not WILDCARDS.isdisjoint(text[:-2]):
        # Parity: upstream compares what stands before a final /* literally, so such a rule admits nothing real.
        return f'path "{text}" matches nothing useful: before a final /* wildcards are literal; write whole segments'
    if _ESCAPE.search(text) is not None:
        return f'path "{text}" is compared with the decoded path; write the characters themselves, not % escapes'
    return None
