"""
Proxy tokens in a body, in each spelling that its kind has: in one that is at hand, or piece by piece as it streams.

The rules are those of `tokens.py`: leftmost first, the longest where several begin, nothing found twice, however the
body was cut. Pure: who owns a token, and what takes its place, is decided elsewhere.
"""

import sys
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import re2

from iron_proxy.transforms.secrets.body_spellings import Spelling
from iron_proxy.transforms.secrets.streaming import Replacer
from iron_proxy.transforms.secrets.tokens import Span

# As for plain tokens (`streaming.py`): some ten thousand of them in all their spellings fit.
_RE2_MEMORY = 256 * 1024 * 1024


class SpelledTokens:
    """Some tokens and one spelling, compiled; what escapes need is compiled when the first text needs it."""

    def __init__(self, tokens: Iterable[bytes], spelling: Spelling) -> None:
        self.tokens = frozenset(tokens)
        self.spelling = spelling
        self._plain = Replacer({token: token for token in self.tokens})
        self._escapes = _compiled([spelling.escapes(self.tokens)]) if spelling.marker else None
        # A token that holds a space has a spelling without the marker: a form's `+`.
        self._marker = b"" if any(b" " in token for token in self.tokens) else spelling.marker
        self._escaped: Any = None
        self._reach = max(map(len, self.tokens)) * spelling.longest_unit

    def find(self, text: bytes, most: int = sys.maxsize) -> list[Span]:
        """
        Every token as `(start, end, token)` in order, up to the first `most` ones.

        The text begins with a whole unit.
        """
        search = self._search_for(text)
        if search is None:
            return []
        spans: list[Span] = []
        match = search(text, 0)
        while match is not None and len(spans) < most:
            start, end = match.span()
            token = self._token(text[start:end])
            if token is None or self.spelling.is_within_unit(text, start):
                end = start + 1
            else:
                spans.append((start, end, token))
            match = search(text, end) if end < len(text) else None
        return spans

    def undecided_from(self, text: bytes, position: int = 0) -> int:
        """Where the longest end of the text begins, at or behind the position, that a token's spelling goes on from."""
        spelling = self.spelling
        if self._escapes is None:
            return self._plain.undecided_from(text, position)
        unfinished = max(position, spelling.unfinished_from(text))
        start = max(position, unfinished - self._reach)
        while start < unfinished and spelling.is_within_unit(text, start):
            start += 1
        end = text[start:unfinished]
        if not self._may_be_escaped(end):
            undecided = self._plain.undecided_from(end)
            while undecided < len(end) and spelling.is_within_unit(text, start + undecided):
                undecided = self._plain.undecided_from(end, undecided + 1)
            return start + undecided
        units = spelling.units(end)
        meanings = [spelling.decode(unit) for unit in units]
        undecided = self._plain.undecided_from(b"".join(meanings))
        decoded_ends = accumulate(map(len, meanings))
        before = sum(1 for decoded_end in decoded_ends if decoded_end <= undecided)
        return start + sum(map(len, units[:before]))

    def _search_for(self, text: bytes) -> Any:
        if self._may_be_escaped(text):
            if self._escaped is None:
                self._escaped = _compiled(map(self.spelling.pattern, sorted(self.tokens)))
            return self._escaped.search
        return None if self._plain.first_match(text) is None else self._plain.next_match

    def _may_be_escaped(self, text: bytes) -> bool:
        return self._escapes is not None and self._marker in text and self._escapes.search(text) is not None

    def _token(self, spelt: bytes) -> bytes | None:
        if spelt in self.tokens:
            return spelt
        meaning = self.spelling.decode(spelt)
        return meaning if meaning in self.tokens else None


class TokenStream:
    """The tokens of one body that comes in pieces."""

    __slots__ = ("_held", "_tokens")

    def __init__(self, tokens: SpelledTokens) -> None:
        self._tokens = tokens
        self._held = b""

    def feed(self, piece: bytes) -> tuple[bytes, list[Span]]:
        """The text that is decided now, and the tokens in it. What might be the beginning of one is held back."""
        text = self._held + piece if self._held else piece
        tokens = self._tokens
        decided = tokens.undecided_from(text)
        spans = []
        for span in tokens.find(text):
            if span[0] >= decided:
                break
            spans.append(span)
            if span[1] > decided:                 # what looked like a beginning belonged to this token
                decided = tokens.undecided_from(text, span[1])
        self._held = text[decided:]
        return (text if decided == len(text) else text[:decided]), spans

    def end(self) -> tuple[bytes, list[Span]]:
        """The rest: the body has ended."""
        text, self._held = self._held, b""
        return text, self._tokens.find(text)


def _compiled(patterns: Iterable[bytes]) -> Any:          # Any: google-re2 ships no types
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1         # bytes are bytes
    options.longest_match = True
    options.log_errors = False
    options.max_mem = _RE2_MEMORY
    return re2.compile(b"|".join(patterns), options)
