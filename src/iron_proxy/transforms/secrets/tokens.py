"""
Many proxy tokens found in one pass over a value: leftmost first, the longest where several begin, nothing found twice.

What a replacement puts in is never searched again, so that no secret's own text can set off another swap. One token
and thousands mean the same. Where tokens may stand is `plan.py`.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import re2

# Up to here the standard library's alternation is faster on header values (70 to 280 ns; RE2 needs 650 however many
# tokens there are), and it has read a body of 1 MiB in 3 ms at worst. Fifty tokens would take it 60 ms, RE2 1.3.
_FEW_TOKENS = 8
# RE2 falls back from its automaton to a slow walk when this is used up: some 100,000 tokens fit.
_RE2_MEMORY = 256 * 1024 * 1024

# Start, end, and the token that stands there.
Span = tuple[int, int, bytes]
# From a token to what takes its place; None leaves it alone.
Replacement = Callable[[bytes], bytes | None]


Search = Callable[..., "re.Match[bytes] | None"]


class TokenSet:
    """Some proxy tokens, compiled. `tokens` must not be empty, nor hold an empty one."""

    __slots__ = ("_compiled", "search", "tokens")

    def __init__(self, tokens: Iterable[bytes]) -> None:
        self.tokens = frozenset(tokens)
        longest_first = sorted(self.tokens, key=lambda token: (-len(token), token))
        few = len(longest_first) <= _FEW_TOKENS
        self._compiled = _alternation(longest_first) if few else _automaton(longest_first)
        # The first occurrence at or behind a position: search(value, position=0) -> match or None.
        self.search: Search = self._compiled.search

    def occurs_in(self, value: bytes) -> bool:
        """Whether any token stands in the value."""
        return self._compiled.search(value) is not None

    def find(self, value: bytes) -> list[Span]:
        """Every occurrence as `(start, end, token)`, in order, none overlapping another."""
        spans: list[Span] = []
        search = self._compiled.search
        match = search(value)
        while match is not None:
            end = match.end()
            spans.append((match.start(), end, match[0]))
            match = search(value, end) if end < len(value) else None
        return spans

    def replace(self, value: bytes, replacement: Replacement) -> bytes:
        """The value with each token replaced by what `replacement` gives for it; None leaves it alone."""
        return replace_spans(value, self.find(value), replacement)


def distinct_tokens(spans: list[Span]) -> list[bytes]:
    """The tokens of the spans, each once, in the order of their first places."""
    if len(spans) == 1:
        return [spans[0][2]]
    return list(dict.fromkeys(token for _, _, token in spans))


def replace_spans(value: bytes, spans: list[Span], replacement: Replacement) -> bytes:
    """The value with each span replaced by what `replacement` gives for its token; None leaves the bytes there."""
    pieces: list[bytes] = []
    position = 0
    for start, end, token in spans:
        new = replacement(token)
        if new is not None:
            pieces += (value[position:start], new)
            position = end
    pieces.append(value[position:])
    return b"".join(pieces)


def longer_tokens(tokens: Iterable[bytes]) -> dict[bytes, frozenset[bytes]]:
    """
    For each token that stands inside others, those others.

    Where a longer token stands the shorter one was not meant, even if the longer one may not be swapped there.
    """
    known = frozenset(tokens)
    lengths = {len(token) for token in known}
    longer: dict[bytes, set[bytes]] = {}
    for token in known:
        for inner in _parts(token, lengths) & known:
            longer.setdefault(inner, set()).add(token)
    return {inner: frozenset(outer) for inner, outer in longer.items()}


def _parts(token: bytes, lengths: set[int]) -> set[bytes]:
    return {
        token[start : start + length]
        for length in lengths
        if length < len(token)
        for start in range(len(token) - length + 1)
    }


def _alternation(longest_first: list[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(map(re.escape, longest_first)))


def _automaton(longest_first: list[bytes]) -> Any:  # Any: google-re2 ships no types
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes are bytes
    options.longest_match = True
    options.log_errors = False
    options.max_mem = _RE2_MEMORY
    return re2.compile(b"|".join(map(re2.escape, longest_first)), options)
