"""The compiled rules give the same answers as looking at every rule, in the same order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.matching import rule_index
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Mismatch, Rule
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request


def get(host: str, raw_path: bytes = b"/", *, port: int = 443, method: str = "GET", scheme: str = "https") -> Request:
    return Request(method, scheme, Target(host, port), raw_path)


def host_rule(host: str, *paths: str, methods: tuple[str, ...] = (), ports: tuple[int, ...] = ()) -> Rule:
    return Rule(
        host=HostPattern.parse(host),
        methods=frozenset(methods),
        paths=tuple(map(PathPattern.parse, paths)),
        ports=frozenset(ports),
        description=host,
    )


def described(rule: Rule | None) -> str | None:
    return None if rule is None else rule.describe()


MIXED = [Rule.for_host(text) for text in ("a.test", "*.a.test", "api-*.b.test", "::1", "a.test")] + [
    Rule.for_cidr(text) for text in ("10.0.0.0/8", "10.1.0.0/16", "::/0", "10.1.2.3/32")
]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param("a.test", ["a.test", "*.a.test", "a.test"], id="exact and suffix, the same rule twice"),
        pytest.param("x.y.a.test", ["*.a.test"], id="suffix at any depth"),
        pytest.param("api-1.b.test", ["api-*.b.test"], id="glob"),
        pytest.param("10.1.2.3", ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32"], id="nested ranges"),
        pytest.param("::ffff:10.9.0.1", ["10.0.0.0/8"], id="IPv4-mapped"),
        pytest.param("::1", ["::1", "::/0"], id="IPv6"),
        pytest.param("other.test", [], id="none"),
        pytest.param("", [], id="the empty host"),
    ],
)
def test_candidates_are_found_in_configured_order(host: str, expected: list[str]) -> None:
    assert [rule.describe() for rule in RuleIndex(MIXED).candidates(host)] == expected


labels = st.sampled_from(["a", "b", "api-1", "api-2", "test", "10"])
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join) | st.sampled_from(["10.1.2.3", "10.2.0.1", "::1"])
texts = st.one_of(
    st.lists(labels.filter(lambda label: label != "10"), min_size=1, max_size=3).map(".".join),
    st.sampled_from(
        ["*", "*.test", "*.a.test", "*.b", "a*.test", "api-?.b.test", "*b", "[ab].test", "10.1.2.3", "[::1]"]
    ),
)
rules = st.lists(
    texts.map(Rule.for_host) | st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "::/0"]).map(Rule.for_cidr), max_size=30
)


@given(rules, hosts)
def test_the_index_agrees_with_a_look_at_every_rule(rules: list[Rule], host: str) -> None:
    target = Target(host, 443)

    assert list(RuleIndex(rules).candidates(host)) == [rule for rule in rules if rule.could_match(target)]


def test_many_globs_agree_with_a_look_at_every_rule() -> None:
    index = RuleIndex([Rule.for_host(f"api-*.w{number}.test") for number in range(1000)])

    assert [rule.describe() for rule in index.candidates("api-x.w7.test")] == ["api-*.w7.test"]
    assert index.candidates("api-x.w1000.test") == ()


@pytest.mark.parametrize("memory", [16 * 1024 * 1024, 64 * 1024], ids=["one set", "sets that had to be divided"])
def test_long_globs_are_found_whatever_fits_a_set(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr(rule_index, "_SET_MEMORY", memory)
    letters = "?" * 100
    index = RuleIndex([Rule.for_host(f"*{letters}{number}.*.b.test") for number in range(100, 150)])

    for number in (100, 131, 149):
        found = index.candidates("x" * 100 + f"{number}.a.b.test")
        assert [rule.describe() for rule in found] == [f"*{letters}{number}.*.b.test"]


def test_a_glob_that_fits_no_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_index, "_SET_MEMORY", 1024)

    with pytest.raises(ValueError, match="too large a pattern"):
        RuleIndex([Rule.for_host("*" + "?" * 200 + ".b.test")])


def test_the_first_rule_that_fits_wholly_is_the_match() -> None:
    index = RuleIndex([host_rule("a.test", "/v1/*"), host_rule("*.a.test", methods=("POST",)), host_rule("a.test")])

    assert index.first_match(get("a.test", b"/v1/x")) is index.rules[0]
    assert index.first_match(get("a.test", b"/v2", method="POST")) is index.rules[1]
    assert index.first_match(get("a.test", b"/v2")) is index.rules[2]
    assert index.first_match(get("b.test")) is None


def test_the_first_possible_rule_asks_for_host_and_port_only() -> None:
    index = RuleIndex([host_rule("a.test", "/v1/*", ports=(443,)), host_rule("a.test", ports=(8443,))])

    assert index.first_possible(Target("a.test", 8443)) is index.rules[1]
    assert index.first_possible(Target("a.test", 22)) is None
    assert index.first_possible(Target("b.test", 443)) is None


def test_an_ambiguous_path_is_granted_nothing_but_escapes_nothing() -> None:
    index = RuleIndex([host_rule("a.test", "/v1/*")])

    assert index.first_match(get("a.test", b"/x//y")) is None
    assert index.applies_to(get("a.test", b"/x//y"))
    assert not index.applies_to(get("a.test", b"/x/y"))
    assert index.applies_to(get("a.test", b"/v1/y"))


@pytest.mark.parametrize(
    ("request_", "miss"),
    [
        pytest.param(get("b.test"), None, id="host"),
        pytest.param(get("a.test", b"/v1/x", port=22), Mismatch.PORT, id="port"),
        pytest.param(get("a.test", b"/v2"), Mismatch.METHOD_OR_PATH, id="path"),
        pytest.param(get("a.test", b"/v1//x"), Mismatch.AMBIGUOUS_PATH, id="ambiguous"),
    ],
)
def test_the_nearest_miss_is_told(request_: Request, miss: Mismatch | None) -> None:
    index = RuleIndex([host_rule("a.test", ports=(1,)), host_rule("a.test", "/v1/*", ports=(443,))])

    assert index.nearest_miss(request_) is miss


def test_a_missed_scheme_is_told() -> None:
    index = RuleIndex([Rule(host=HostPattern.parse("a.test"), schemes=frozenset(("https",)))])

    assert index.first_match(get("a.test", scheme="http")) is None
    assert index.nearest_miss(get("a.test", scheme="http")) is Mismatch.SCHEME


def test_no_more_hosts_are_remembered_than_asked_for() -> None:
    index = RuleIndex(MIXED, hosts_remembered=2)

    for number in range(10):
        index.candidates(f"h{number}.test")

    assert index.candidates.cache_info().currsize == 2


def test_an_index_without_rules_matches_nothing() -> None:
    index = RuleIndex([])

    assert len(index) == 0
    assert described(index.first_match(get("a.test"))) is None
    assert not index.applies_to(get("a.test"))
    assert RuleIndex([Rule()]).candidates("a.test") == ()
