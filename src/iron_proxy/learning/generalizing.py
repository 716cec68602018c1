"""
Many paths → few patterns: ids that vary become `*`, and so do names where there are too many to list.

Nothing that was denied is ever covered: where a wildcard would admit it, the paths stay as they are. `rules.py` calls
it for each group of requests that differ in nothing but the path. Pure.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from iron_proxy.learning.denied_paths import DeniedPaths
from iron_proxy.learning.path_shapes import (
    ANYTHING,
    Path,
    Segment,
    filled,
    has_wildcards,
    matches,
    pattern_text,
    segments_of,
    shape_of,
)

# More names in one place than this are not a list that anybody keeps: packages, tickets, users.
DEFAULT_MAX_NAMES = 30
# Trees are walked by recursion; a path of more segments stays as it is.
_MAX_DEPTH = 64

# Paths that are looked at again for one group: some seconds.
_MAX_VISITS = 1_000_000
# Each path is compared with so many patterns; with more, some redundant lines do not matter.
_MAX_COMPARED = 200

_EMPTY: Segment = ("",)
_EXTENSION = re.compile(r"(?:\.[A-Za-z][0-9A-Za-z]*)+\Z")


@dataclass(frozen=True, slots=True)
class SeenPattern:
    """One pattern: how many requests it stands for, and how many different paths they had (at least)."""

    text: str
    requests: int
    paths: int
    has_wildcards: bool


def generalize(
    paths: Mapping[str, int], shapes: Mapping[Path, int], denied: DeniedPaths, max_names: int
) -> list[SeenPattern]:
    """
    Patterns that cover all paths and shapes, sorted. Up to `max_names` names in one place stay a list; 0 is no limit.

    Shapes are patterns as they are, also where they cover what was denied: there are no paths to go back to.
    """
    patterns = _Patterns()
    for path, weight in _with_wildcards_for_ids(paths, denied):
        patterns.add(path, weight)
    for shape, count in shapes.items():
        patterns.add(shape, _Weight(count, 1))
    if max_names:
        patterns = _Shortening(max_names).of(patterns, denied)
    seen = [
        SeenPattern(pattern_text(path), weight.requests, weight.paths, has_wildcards(path))
        for path, weight in _without_covered(patterns).items()
    ]
    return sorted(seen, key=lambda each: each.text)


@dataclass(slots=True)
class _Weight:
    requests: int = 0
    paths: int = 0

    def add(self, other: "_Weight") -> None:
        self.requests += other.requests
        self.paths += other.paths


class _Patterns:
    """Patterns with their weights; equal ones are one."""

    def __init__(self) -> None:
        self._weights: dict[Path, _Weight] = {}

    def add(self, path: Path, weight: _Weight) -> None:
        self._weights.setdefault(path, _Weight()).add(weight)

    def __iter__(self) -> Iterator[Path]:
        return iter(self._weights)

    def items(self) -> Iterable[tuple[Path, _Weight]]:
        return self._weights.items()


def _without_covered(patterns: _Patterns) -> _Patterns:
    """Paths that a pattern covers already are counted with it."""
    wide: dict[int, list[Path]] = defaultdict(list)
    for path in patterns:
        if has_wildcards(path):
            wide[len(path)].append(path)
    if sum(map(len, wide.values())) > _MAX_COMPARED:
        return patterns
    kept = _Patterns()
    for path, weight in patterns.items():
        covering = () if has_wildcards(path) else (each for each in wide[len(path)] if _covers(each, path))
        kept.add(next(iter(covering), path), weight)
    return kept


def _covers(wide: Path, path: Path) -> bool:
    if wide[-1] == ANYTHING and path[-1] == _EMPTY:
        return False
    return all(matches(segment, text) for segment, (text,) in zip(wide, path, strict=True))


# --- ids ------------------------------------------------------------------------------------------------------------


def _with_wildcards_for_ids(paths: Mapping[str, int], denied: DeniedPaths) -> Iterator[tuple[Path, _Weight]]:
    """Of paths with the same shape, one pattern with a wildcard for each id that is not the same in all."""
    alike: dict[Path, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for path in paths:
        shape, ids = shape_of(path)
        alike[shape].append((path, ids))
    for shape, members in alike.items():
        columns = zip(*(ids for _, ids in members), strict=True)
        varying = tuple(values[0] if len(set(values)) == 1 else None for values in columns)
        pattern = filled(shape, varying)
        if len(members) == 1 or denied.is_covered_by(pattern):
            for path, _ in members:
                yield segments_of(path), _Weight(paths[path], 1)
        else:
            yield pattern, _Weight(sum(paths[path] for path, _ in members), len(members))


# --- names ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Node:
    """A place in a path: the segments that come next, and the weight of the paths that end here."""

    below: dict[Segment, "_Node"] = field(default_factory=dict)
    weight: _Weight | None = None

    def at(self, segment: Segment) -> "_Node":
        return self.below.setdefault(segment, _Node())

    def add_weight(self, weight: _Weight) -> None:
        self.weight = self.weight or _Weight()
        self.weight.add(weight)

    def absorb(self, other: "_Node") -> None:
        if other.weight is not None:
            self.add_weight(other.weight)
        for segment, node in other.below.items():
            self.at(segment).absorb(node)

    def size(self) -> int:
        return (self.weight is not None) + sum(node.size() for node in self.below.values())

    def patterns(self, before: Path) -> Iterator[tuple[Path, _Weight]]:
        if self.weight is not None:
            yield before, self.weight
        for segment, node in self.below.items():
            yield from node.patterns((*before, segment))


_Folders = list[tuple[Segment, _Node]]


class _Shortening:
    """
    Puts a wildcard where there are too many names, as long as it covers nothing that was denied.

    A wildcard that does not make the list much shorter is left out: it would allow more for nothing. What was shortened
    in vain is done again name by name, so that somebody could make up paths for which that takes for ever; hence the
    limit, beyond which names stay.
    """

    def __init__(self, max_names: int) -> None:
        self._max_names = max_names
        self._visits_left = _MAX_VISITS

    def of(self, patterns: _Patterns, denied: DeniedPaths) -> _Patterns:
        root, shortened = _Node(), _Patterns()
        for path, weight in patterns.items():
            if len(path) > _MAX_DEPTH:
                shortened.add(path, weight)
                continue
            node = root
            for segment in path:
                node = node.at(segment)
            node.add_weight(weight)
        for path, weight in self._shorter(root, denied).patterns(()):
            shortened.add(path, weight)
        return shortened

    def _shorter(self, node: _Node, denied: DeniedPaths) -> _Node:
        result = _Node(weight=node.weight)
        for segment, weight in self._ends(node, denied):
            result.at(segment).add_weight(weight)
        for segment, folder in self._folders(node, denied):
            result.at(segment).absorb(folder)
        return result

    def _ends(self, node: _Node, denied: DeniedPaths) -> Iterable[tuple[Segment, _Weight]]:
        """The segments that paths end with here. An empty one, behind a final slash, is no name."""
        ends = [(segment, below.weight) for segment, below in node.below.items() if below.weight is not None]
        named = [(segment, weight) for segment, weight in ends if segment != _EMPTY]
        if len(named) <= self._max_names:
            return ends
        name: Segment = ("", _shared_extension(segment for segment, _ in named))
        if denied.is_covered_by((name,)):
            return ends
        total = _Weight()
        for _, weight in named:
            total.add(weight)
        return [*(end for end in ends if end[0] == _EMPTY), (name, total)]

    def _folders(self, node: _Node, denied: DeniedPaths) -> Iterator[tuple[Segment, _Node]]:
        """The segments that paths go on behind, with what comes there."""
        alike: dict[frozenset[Segment], _Folders] = defaultdict(list)
        for segment, below in node.below.items():
            if below.below:
                alike[frozenset(below.below)].append((segment, _Node(below.below)))
        # Those that go on in the same way first: `/v1/...` beside many `/PACKAGE/-/...` stays `/v1/...`.
        rest: _Folders = []
        for folders in alike.values():
            if len(folders) > self._max_names:
                yield from self._as_one(folders, denied)
            else:
                rest += folders
        yield from (self._as_one if len(rest) > self._max_names else self._one_by_one)(rest, denied)

    def _as_one(self, folders: _Folders, denied: DeniedPaths) -> Iterator[tuple[Segment, _Node]]:
        together, denied_there = _Node(), denied.below(ANYTHING)
        for _, folder in folders:
            together.absorb(folder)
        patterns = [path for path, _ in together.patterns(())]
        self._visits_left -= len(patterns)
        if self._visits_left >= 0 and not (denied_there and any(map(denied_there.is_covered_by, patterns))):
            shorter = self._shorter(together, denied_there)
            if 2 * shorter.size() <= sum(folder.size() for _, folder in folders):
                yield ANYTHING, shorter
                return
        yield from self._one_by_one(folders, denied)

    def _one_by_one(self, folders: _Folders, denied: DeniedPaths) -> Iterator[tuple[Segment, _Node]]:
        return ((segment, self._shorter(folder, denied.below(segment))) for segment, folder in folders)


def _shared_extension(segments: Iterable[Segment]) -> str:
    """`.tgz` or `.tar.gz`, where all segments end so."""
    found = {_EXTENSION.search(segment[-1]) for segment in segments}
    extensions = {"" if each is None else each[0] for each in found}
    return extensions.pop() if len(extensions) == 1 else ""
