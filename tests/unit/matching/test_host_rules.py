"""Rules one by one and in groups give their answers together, in configured order."""

import pytest

from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.matching.host_rules import HostRules
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Mismatch, Rule
from iron_proxy.matching.rule_group import RuleGroup
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request


def rule(*paths: str, methods: tuple[str, ...] = ()) -> Rule:
    patterns = tuple(map(PathPattern.parse, paths))
    return Rule(host=HostPattern.parse("a.test"), methods=frozenset(methods), paths=patterns)


def get(raw_path: bytes) -> Request:
    return Request("GET", "https", Target("a.test", 443), raw_path)


RULES = [rule("/a/*"), rule("/b/*"), rule("/b/x"), rule("/c", "/d/*"), rule("/e", methods=("POST",))]
PLACED = list(enumerate(RULES))
SEPARATE = HostRules(PLACED[::-1])
GROUPED = HostRules(PLACED[3:4], [RuleGroup(PLACED[4:]), RuleGroup(PLACED[:3])])
BOTH = pytest.mark.parametrize("rules", [SEPARATE, GROUPED], ids=["one by one", "in groups"])


@BOTH
def test_the_first_rule_that_fits_is_the_match(rules: HostRules) -> None:
    assert rules.first_match(get(b"/b/x")) is RULES[1]
    assert rules.fitting(get(b"/b/x")) == RULES[1:3]
    assert rules.first_match(get(b"/d/x")) is RULES[3]
    assert rules.first_match(get(b"/e")) is None


@BOTH
def test_an_ambiguous_path_is_granted_nothing_but_escapes_nothing(rules: HostRules) -> None:
    assert rules.first_match(get(b"/f//x")) is None
    assert rules.applies_to(get(b"/f//x"))
    assert not rules.applies_to(get(b"/f/x"))


@BOTH
def test_the_nearest_miss_is_told(rules: HostRules) -> None:
    assert rules.nearest_miss(get(b"/e")) is Mismatch.METHOD_OR_PATH
    assert rules.nearest_miss(get(b"/e//")) is Mismatch.AMBIGUOUS_PATH


def test_one_by_one_each_rule_is_a_kind() -> None:
    assert SEPARATE.kinds == tuple(RULES)
    assert GROUPED.kinds == (RULES[0], RULES[3], RULES[4])


def test_without_rules_there_is_no_miss() -> None:
    assert HostRules([]).nearest_miss(get(b"/")) is None
    assert not HostRules([]).applies_to(get(b"/"))
