"""
Many shell patterns compiled together by RE2: one look at a text per set, not per pattern.

Hosts are matched so by `rule_index.py`, paths by `path_index.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import re2

from iron_proxy.go_compat.path_match import regex_of_glob
from iron_proxy.matching.glob import quiet_options

# Globs per RE2 set. One set of 5,000 spends 0.5 to 1.3 ms on a host it has not seen, building automaton states that it
# throws away again; twenty sets of 256 spend 0.04 to 0.1 ms, and the usual few fit one set and cost 1.3 µs.
# The worst seen: 20 ms, for 500 patterns with two stars in one segment and a path of 8 KiB that is made for them.
_GLOBS_PER_SET = 256
# A set's automaton grows with the texts seen and starts over when it is full. One that does not fit at all is divided.
_SET_MEMORY = 16 * 1024 * 1024
# Matches itself in every set. What it is besides does not matter: it is asked for once, when the set is made.
_PROBE = "/probe"

T = TypeVar("T")


class GlobSets(Generic[T]):
    """Globs, each with what it stands for. Raises ValueError where one alone is too large for a set."""

    __slots__ = ("_is_ascii", "_parts")

    def __init__(self, globs: Iterable[tuple[str, T]], *, is_ascii: bool = False) -> None:
        """`is_ascii` says that all texts will be: without UTF-8 sequences the automaton is smaller by a third."""
        self._is_ascii = is_ascii
        self._parts: list[tuple[Any, list[T]]] = []  # Any: google-re2 ships no types
        every = list(globs)
        for start in range(0, len(every), _GLOBS_PER_SET):
            self._add(every[start : start + _GLOBS_PER_SET])

    def matching(self, text: str) -> list[T]:
        """What the globs that match the whole text stand for, in no order."""
        found: list[T] = []
        for compiled, meanings in self._parts:
            found.extend(meanings[index] for index in compiled.Match(text) or () if index < len(meanings))
        return found

    def _add(self, globs: Sequence[tuple[str, T]]) -> None:
        compiled = _compiled_set([glob for glob, _ in globs], is_ascii=self._is_ascii)
        if compiled is not None:
            self._parts.append((compiled, [meaning for _, meaning in globs]))
        elif len(globs) > 1:
            half = len(globs) // 2
            self._add(globs[:half])
            self._add(globs[half:])
        else:
            raise ValueError(f'"{globs[0][0]}": too large a pattern')


def _compiled_set(globs: list[str], *, is_ascii: bool) -> Any:  # Any: as above
    options = quiet_options()
    options.max_mem = _SET_MEMORY
    if is_ascii:
        options.encoding = re2.Options.Encoding.LATIN1
    compiled = re2.Set.FullMatchSet(options)
    try:
        for glob in globs:
            compiled.Add(regex_of_glob(glob).encode("ascii"))
        probe = compiled.Add(_PROBE.encode("ascii"))
        compiled.Compile()
    except re2.error:
        return None
    # RE2 reports an automaton that does not fit as "no match" on every text: a rule would silently not apply.
    return compiled if probe in (compiled.Match(_PROBE) or ()) else None
