from typing import Any

from tests.fakes.audit_lines import entry_of

from iron_proxy.learning.comparison import Comparison, compare, comparison_sentences
from iron_proxy.learning.observations import Observations
from iron_proxy.learning.rules import learned_rules
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.matching.rule_index import RuleIndex

EXACT = Rule(
    host=HostPattern.parse("exact.test"), methods=frozenset(("GET",)), paths=(PathPattern.parse("/"),),
    ports=frozenset((443,)), schemes=frozenset(("https",)), description="exact.test …", place="rules[0]", line=9,
)  # fmt: skip
CONFIGURED = RuleIndex(
    [Rule.for_host("*.wide.test", "domains[0]", 5), Rule.for_host("old-*.test", "domains[1]", 6), EXACT]
)


def comparison_of(*entries: dict[str, Any]) -> Comparison:
    observations = Observations()
    for changes in entries:
        observations.take(entry_of(**changes))
    return compare(observations, learned_rules(observations).rules, CONFIGURED)


def test_rules_are_new_narrower_or_the_same() -> None:
    found = comparison_of({"host": "new.test"}, {"host": "api.wide.test"}, {"host": "exact.test"})

    assert [rule.target.host for rule in found.added] == ["new.test"]
    assert [(rule.target.host, wider.place) for rule, wider in found.narrowed] == [("api.wide.test", "domains[0]")]
    assert [(rule.target.host, other.place) for rule, other in found.same] == [("exact.test", "rules[0]")]


def test_rules_that_no_request_needed_are_named_and_the_others_counted() -> None:
    found = comparison_of({"host": "a.wide.test"}, {"host": "b.wide.test", "path": "/x"}, {"host": "new.test"})

    assert [(use.rule.place, use.requests) for use in found.used] == [("domains[0]", 2)]
    assert [rule.place for rule in found.unused] == ["domains[1]", "rules[0]"]


def test_a_tunnel_uses_the_rule_that_opens_it() -> None:
    found = comparison_of({"host": "exact.test:443", "method": "CONNECT", "path": "", "sni": ""})

    assert [use.rule.place for use in found.used] == ["rules[0]"]


def test_the_difference_in_words_is_fit_for_a_comment() -> None:
    found = comparison_of({"host": "new.test"}, {"host": "api.wide.test"}, {"host": "exact.test"})
    sentences = list(comparison_sentences(found, "base\n.yaml"))

    assert sentences == [
        "Compared with base\\x0a.yaml:",
        "  + new.test:443 GET, 1 path (1 request)",
        "  ~ api.wide.test:443 GET, 1 path (1 request), of domains[0], line 5 (*.wide.test)",
        "  = exact.test:443 GET, 1 path (1 request), as rules[0], line 9 (exact.test …)",
        "  - domains[1], line 6 (old-*.test): no request needed it",
    ]
