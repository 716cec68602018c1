"""
The rules that cover one host, and what they say of a request to it.

A few are compared one by one, which is fastest. Where a pattern or a CIDR has many they are a group (`rule_group.py`),
so that the cost of a request does not grow with their number. Made by `rule_index.py`, once per host that it remembers.
"""

from collections.abc import Sequence

from iron_proxy.matching.rule import Mismatch, Rule
from iron_proxy.matching.rule_group import Placed, RuleGroup
from iron_proxy.messages.request import Request

_NEAREST_FIRST = (
    Mismatch.AMBIGUOUS_PATH, Mismatch.METHOD_OR_PATH, Mismatch.SCHEME, Mismatch.PORT, Mismatch.CLIENT
)  # fmt: skip


class HostRules:
    """
    Some rules one by one, and groups of others; the answers are in configured order.

    `kinds` has one rule for all that differ in nothing but their paths, the first. What is asked of a destination or
    a client alone is asked of these.
    """

    __slots__ = ("_single", "groups", "kinds")

    def __init__(self, single: Sequence[Placed], groups: Sequence[RuleGroup] = ()) -> None:
        self._single = tuple(sorted(single))
        self.groups = tuple(groups)
        kinds = sorted([*self._single, *(placed for group in groups for placed in group.kinds)])
        self.kinds: tuple[Rule, ...] = tuple(rule for _, rule in kinds)

    def first_match(self, request: Request) -> Rule | None:
        """The first rule that the whole request fits, or None."""
        if self.groups:
            return next(iter(self.fitting(request)), None)
        for rule in self.kinds:
            if rule.is_host_only or rule.mismatch_of(request) is None:
                return rule
        return None

    def fitting(self, request: Request) -> list[Rule]:
        """Every rule that the whole request fits."""
        if not self.groups:
            return [rule for rule in self.kinds if rule.is_host_only or rule.mismatch_of(request) is None]
        found = [placed for placed in self._single if placed[1].mismatch_of(request) is None]
        for group in self.groups:
            found += group.fitting(request)
        found.sort()
        return [rule for _, rule in found]

    def applies_to(self, request: Request) -> bool:
        """Whether a rule fits, where an ambiguous path counts as fitting."""
        if self.first_match(request) is not None:
            return True
        return request.has_ambiguous_path and any(rule.mismatch_besides_path(request) is None for rule in self.kinds)

    def nearest_miss(self, request: Request) -> Mismatch | None:
        """How near `first_match` came where it found nothing; None without rules."""
        of_path = Mismatch.AMBIGUOUS_PATH if request.has_ambiguous_path else Mismatch.METHOD_OR_PATH
        misses = {rule.mismatch_besides_path(request) or of_path for rule in self.kinds}
        return next((nearest for nearest in _NEAREST_FIRST if nearest in misses), None)
