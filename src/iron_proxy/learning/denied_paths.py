"""
Paths that were denied, kept so that "does this pattern cover one of them?" costs little.

A tree by segments, of which every place is such a collection itself: what stands below it. Called by `rules.py` and
`generalizing.py`. Pure.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from iron_proxy.learning.path_shapes import ANYTHING, Path, Segment, matches

_Tree: TypeAlias = dict[str, "_Tree"]

# Where a path ends: no segment holds a slash.
_END = "/"
# Comparisons of a wildcard with a segment, for one run: some seconds.
_MAX_COMPARISONS = 10_000_000


class Budget:
    """What all collections of one run may spend together: somebody may have made an audit log for the purpose."""

    def __init__(self, comparisons: int = _MAX_COMPARISONS) -> None:
        self.left = comparisons


class DeniedPaths:
    """The paths below one place; the root is the beginning of a path, without its slash."""

    __slots__ = ("_budget", "_tree")

    def __init__(self, paths: Iterable[str] = (), budget: Budget | None = None) -> None:
        self._budget = budget or Budget()
        self._tree: _Tree = {}
        for path in paths:
            node = self._tree
            for segment in path[1:].split("/"):
                node = node.setdefault(segment, {})
            node[_END] = {}

    def __bool__(self) -> bool:
        return bool(self._tree)

    def is_covered_by(self, path: Path) -> bool:
        """Whether a pattern covers any of them; yes, too, when the budget is spent: it is then not used."""
        *folders, last = path
        nodes = [self._tree]
        for segment in folders:
            nodes = [below for node in nodes for _, below in self._find(node, segment)]
        # A last segment that may be anything is written `?*`, which is not the empty one.
        found = (each for node in nodes for each in self._find(node, last))
        is_covered = any(_END in below for text, below in found if text or last != ANYTHING)
        return is_covered or (self._budget.left < 0 and bool(self._tree))

    def below(self, segment: Segment) -> "DeniedPaths":
        """Those that go on behind a segment."""
        result = DeniedPaths((), self._budget)
        found = [below for _, below in self._find(self._tree, segment)]
        if len(found) == 1:
            result._tree = found[0]
        else:
            for tree in found:
                _add(tree, result._tree)
        result._tree = {text: below for text, below in result._tree.items() if text != _END}
        return result

    def _find(self, node: _Tree, segment: Segment) -> Iterator[tuple[str, _Tree]]:
        if len(segment) == 1:
            if segment[0] in node:
                yield segment[0], node[segment[0]]
            return
        self._budget.left -= len(node)
        for text, below in node.items():
            if text != _END and matches(segment, text):
                yield text, below


def _add(tree: _Tree, to: _Tree) -> None:
    """All of one tree into another; the first is left as it is."""
    waiting = [(tree, to)]
    while waiting:
        source, target = waiting.pop()
        waiting += [(below, target.setdefault(text, {})) for text, below in source.items()]
