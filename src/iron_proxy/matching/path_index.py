"""
Many path patterns compiled so that asking them costs the same however many there are.

Whole paths stand in a dict, so do the directories of `/v1/*`; the path is walked from slash to slash. The shell
patterns are RE2 sets. Asked by `rule_group.py`.
"""

from collections.abc import Iterable

from iron_proxy.matching.glob_sets import GlobSets
from iron_proxy.matching.path_patterns import PathPattern


class PathIndex:
    """Patterns, each with the number of the rule that it belongs to."""

    __slots__ = ("_directories", "_exact", "_globs", "_lengths", "_longest")

    def __init__(self, patterns: Iterable[tuple[PathPattern, int]]) -> None:
        self._exact: dict[str, list[int]] = {}
        self._directories: dict[str, list[int]] = {}  # "/v1" for "/v1/*"
        globs: list[tuple[str, int]] = []
        for pattern, number in patterns:
            if pattern.exact is not None:
                self._exact.setdefault(pattern.exact, []).append(number)
            elif pattern.prefix is not None:
                self._directories.setdefault(pattern.prefix[:-1], []).append(number)
            else:
                globs.append((pattern.text, number))
        self._globs = GlobSets(globs)
        # A path of thousands of slashes costs no more than the longest directory has characters, nor a copy of each
        # of its beginnings.
        self._lengths = frozenset(map(len, self._directories))
        self._longest = max(self._lengths, default=-1)

    def matching(self, path: str) -> set[int]:
        """The numbers of the rules with a pattern that covers a decoded path."""
        found = set(self._globs.matching(path))
        found.update(self._exact.get(path, ()))
        if self._directories:
            self._add_directories(path, found)
        return found

    def _add_directories(self, path: str, found: set[int]) -> None:
        directories, lengths = self._directories, self._lengths
        found.update(directories.get(path, ()))  # `/v1/*` covers `/v1` itself
        end = path.find("/", 0, self._longest + 1)
        while end >= 0:
            if end in lengths:
                found.update(directories.get(path[:end], ()))
            end = path.find("/", end + 1, self._longest + 1)
