"""
Where the first of many needles stands in a text: leftmost first, the longest where several begin.

Only the needles' heads are compiled; what follows a head is compared where one is found. An automaton of whole needles
took 30 ms for one key file in all its spellings, and the proxy makes one whenever another secret has gone to a host:
nobody else is served meanwhile. Needles are secrets where responses are scrubbed: nothing here prints one. Made by
`streaming.py`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import re2

# Key files of one kind begin alike for some 50 bytes (the armour and the algorithm), all other needles differ within
# 32 bytes. Measured for 3,000 needles, 500 API keys: 17 ms; with whole needles 64; the scan itself takes no longer.
_HEAD_BYTES = 32
# RE2 falls back from its automaton to a slow walk when this is used up: some 100,000 needles fit.
_RE2_MEMORY = 256 * 1024 * 1024

# From a text and the place to begin at to the first match, or None.
Search = Callable[[bytes, int], Any]  # Any: google-re2 ships no types


class Found:
    """Where a needle stands; what of `re.Match` is needed of it."""

    __slots__ = ("_end", "_start")

    def __init__(self, start: int, end: int) -> None:
        self._start = start
        self._end = end

    def start(self) -> int:
        """Where it begins."""
        return self._start

    def end(self) -> int:
        """Where it ends."""
        return self._end

    def span(self) -> tuple[int, int]:
        """Both."""
        return self._start, self._end


def search_for(needles: Iterable[bytes]) -> Search:
    """The search for these needles, none of which is empty. Without any, nothing is found."""
    needles = frozenset(needles)
    if not needles:
        return lambda text, position: None
    heads = {needle[:_HEAD_BYTES] for needle in needles}
    search = compiled(any_of(heads))
    return search if heads == needles else _SearchByHead(search, needles, heads)


class _SearchByHead:
    """The search where some needles go on behind their heads."""

    __slots__ = ("_candidates", "_search")

    def __init__(self, search: Search, needles: Iterable[bytes], heads: Iterable[bytes]) -> None:
        self._search = search
        # Where the longest head is found that stands there: what may begin there, the longest first.
        following: dict[bytes, list[bytes]] = {head: [] for head in heads}
        for needle in sorted(needles, key=len, reverse=True):
            following[needle[:_HEAD_BYTES]].append(needle)
        self._candidates = {
            head: (*those, *(head[:size] for size in range(len(head) - 1, 0, -1) if head[:size] in following))
            for head, those in following.items()
        }

    def __call__(self, text: bytes, position: int) -> Found | None:
        search, candidates = self._search, self._candidates
        match = search(text, position)
        while match is not None:
            start, end = match.span()
            for needle in candidates[text[start:end]]:
                if text.startswith(needle, start):
                    return Found(start, start + len(needle))
            match = search(text, start + 1)
        return None


def any_of(texts: Iterable[bytes]) -> bytes:
    """A pattern of some texts; none matches the empty text."""
    return b"|".join(map(re2.escape, sorted(texts)))


def compiled(pattern: bytes) -> Search:
    """The search for a pattern, the longest match where several begin."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes are bytes
    options.longest_match = True
    options.log_errors = False  # the pattern is made of secrets
    options.max_mem = _RE2_MEMORY
    search: Search = re2.compile(pattern, options).search
    return search
