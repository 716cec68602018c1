"""A group of rules for the same hosts."""

from dataclasses import replace

from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.matching.rule_group import RuleGroup
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request


def rule(*paths: str, methods: tuple[str, ...] = ()) -> Rule:
    patterns = tuple(map(PathPattern.parse, paths))
    return Rule(host=HostPattern.parse("a.test"), methods=frozenset(methods), paths=patterns)


def get(raw_path: bytes) -> Request:
    return Request("GET", "https", Target("a.test", 443), raw_path)


GROUP = RuleGroup(
    list(enumerate([rule("/a/*"), rule("/b", "/a/x"), rule("/a/*", methods=("POST",)), rule(methods=("GET",))]))
)


def fitting(raw_path: bytes) -> list[int]:
    return sorted(position for position, _ in GROUP.fitting(get(raw_path)))


def test_rules_fit_whose_path_and_other_conditions_do() -> None:
    assert fitting(b"/a/x") == [0, 1, 3]
    assert fitting(b"/b") == [1, 3]
    assert fitting(b"/c") == [3]


def test_an_ambiguous_path_fits_no_rule_that_has_paths() -> None:
    assert fitting(b"/a//x") == [3]


def test_rules_that_differ_in_their_paths_only_are_of_one_kind() -> None:
    wide = [rule("/a"), rule("/b")]
    narrow = [
        part
        for each in wide
        for part in (
            replace(each, methods=frozenset(("GET",))),
            replace(each, ports=frozenset((1,))),
            replace(each, schemes=frozenset(("http",))),
            replace(each, clients=frozenset(("ci",))),
        )
    ]

    assert [position for position, _ in GROUP.kinds] == [0, 2, 3]
    assert [position for position, _ in RuleGroup(list(enumerate(narrow))).kinds] == [0, 1, 2, 3]
