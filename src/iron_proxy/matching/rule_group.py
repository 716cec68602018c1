"""
Many rules with the same host or CIDR, of which a request is compared with those only that have its path.

A group is as large as its part of the configuration: hosts that a client invents share the groups of the patterns that
cover them. Made by `rule_index.py`, asked by `host_rules.py`.
"""

from collections.abc import Hashable, Sequence

from iron_proxy.matching.path_index import PathIndex
from iron_proxy.matching.rule import Rule
from iron_proxy.messages.request import Request

# A rule and its position in the configuration, which comes first so that they sort by it.
Placed = tuple[int, Rule]


class RuleGroup:
    """
    Rules in configured order, all for the same hosts.

    `kinds` has the first one of each kind: those that differ in nothing but their paths are one.
    """

    __slots__ = ("_pathless", "_paths", "_rules", "kinds")

    def __init__(self, rules: Sequence[Placed]) -> None:
        self._rules = tuple(rules)
        self._pathless = tuple(placed for placed in self._rules if not placed[1].paths)
        numbered = ((path, number) for number, (_, rule) in enumerate(self._rules) for path in rule.paths)
        self._paths = PathIndex(numbered)
        kinds: dict[Hashable, Placed] = {}
        for placed in self._rules:
            rule = placed[1]
            kinds.setdefault((rule.methods, rule.ports, rule.schemes, rule.clients), placed)
        self.kinds: tuple[Placed, ...] = tuple(kinds.values())

    def fitting(self, request: Request) -> list[Placed]:
        """The rules that a request to such a host fits, in no order. An ambiguous path fits no rule that has paths."""
        possible = self._pathless
        if not request.has_ambiguous_path:
            possible += tuple(self._rules[number] for number in self._paths.matching(request.path))
        return [placed for placed in possible if placed[1].mismatch_besides_path(request) is None]
