"""The compiled rules give the same answers as looking at every rule, in the same order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.collector import left_to_the_collector

from iron_proxy.matching import rule_index
from iron_proxy.matching.host_patterns import CIDRPattern, HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Mismatch, Rule
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request

NEAREST_FIRST = (
    Mismatch.AMBIGUOUS_PATH, Mismatch.METHOD_OR_PATH, Mismatch.SCHEME, Mismatch.PORT, Mismatch.CLIENT
)  # fmt: skip


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


@pytest.mark.slow
@given(rules, hosts)
def test_the_index_agrees_with_a_look_at_every_rule(rules: list[Rule], host: str) -> None:
    target = Target(host, 443)

    assert list(RuleIndex(rules).candidates(host)) == [rule for rule in rules if rule.could_match(target)]


def as_requested(method: str, scheme: str, host: str, port: int, raw_path: bytes, client: str) -> Request:
    request = Request(method, scheme, Target(host, port), raw_path)
    request.client_name = client
    return request


segments = st.sampled_from(["", "a", "b", "v1", "x y", "é", "*", "?", "%61", "%2f", "..;", "%c3%a9", "a.b", "%"])
wire_paths = st.lists(segments, max_size=4).map(lambda parts: "/".join(["", *parts]).replace(" ", "%20"))
few = st.sampled_from
requests = st.builds(
    as_requested,
    few(["GET", "POST", "OPTIONS"]),
    few(["http", "https"]),
    few(["a.test", "b.a.test", "api-1.test", "10.1.2.3"]),
    few([443, 8443]),
    (wire_paths | few(["", "*"])).map(str.encode),
    few(["", "ci", "agent"]),
)
written_paths = st.lists(few(["a", "b", "v1", "x y", "é", "*", "?", "[a-b]", "\\*", "%61", ""]), max_size=4).map(
    lambda parts: "/".join(["", *parts]) or "/"
)
narrow_rules = st.lists(
    st.builds(
        lambda host, methods, paths, ports, schemes, clients: Rule(
            host=HostPattern.parse(host) if host[-1] != "8" else None,
            cidr=CIDRPattern.parse(host) if host[-1] == "8" else None,
            methods=methods,
            paths=tuple(map(PathPattern.parse, paths)),
            ports=ports,
            schemes=schemes,
            clients=clients,
        ),
        few(["a.test", "*.a.test", "*", "api-?.test", "10.0.0.0/8"]),
        st.just(frozenset[str]()) | st.frozensets(few(["GET", "POST"])),
        st.lists(written_paths, max_size=6),
        st.just(frozenset[int]()) | few([frozenset((443,)), frozenset((8443,))]),
        st.just(frozenset[str]()) | few([frozenset(("http",)), frozenset(("https",))]),
        st.just(frozenset[str]()) | few([frozenset(("ci",)), frozenset(("ci", "agent"))]),
    ),
    max_size=25,
)


@pytest.mark.slow
@given(narrow_rules, st.lists(requests, min_size=1, max_size=8))
def test_every_question_is_answered_as_by_a_look_at_every_rule(rules: list[Rule], asked: list[Request]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rule_index, "_FEW_COMPARISONS", 0)
        grouped = RuleIndex(rules)

    for index in (RuleIndex(rules), grouped):
        check_answers(index, asked)


def check_answers(index: RuleIndex, asked: list[Request]) -> None:
    rules = index.rules
    for request in asked:
        fitting = [rule for rule in rules if rule.matches(request)]
        target, client = request.target, request.client_name
        mismatches = {rule.mismatch_of(request) for rule in index.candidates(target.host)}
        assert index.fitting(request) == fitting
        assert index.first_match(request) is (fitting[0] if fitting else None)
        assert index.applies_to(request) is not mismatches.isdisjoint((None, Mismatch.AMBIGUOUS_PATH))
        possible = [rule for rule in rules if rule.could_match(target, client)]
        assert index.first_possible(target, client) is (possible[0] if possible else None)
        if not fitting:
            assert index.nearest_miss(request) is next((miss for miss in NEAREST_FIRST if miss in mismatches), None)


def test_a_host_with_many_paths_is_asked_for_the_first_rule_that_fits() -> None:
    paths = [host_rule("a.test", f"/{number}/*", methods=("GET",)) for number in range(500)]
    index = RuleIndex([*paths, host_rule("*.a.test", "/7/*", "/x"), host_rule("a.test", methods=("PUT",))])

    assert index.first_match(get("a.test", b"/7/x")) is index.rules[7]
    assert index.first_match(get("a.test", b"/7/x", method="POST")) is index.rules[500]
    assert index.first_match(get("a.test", b"/x", method="PUT")) is index.rules[500]
    assert index.first_match(get("a.test", b"/500/x", method="PUT")) is index.rules[501]
    assert index.first_match(get("a.test", b"/500/x")) is None
    assert index.nearest_miss(get("a.test", b"/500/x")) is Mismatch.METHOD_OR_PATH
    assert index.nearest_miss(get("a.test", b"/7//x")) is Mismatch.AMBIGUOUS_PATH


def test_hosts_share_what_is_compiled_of_the_rules_that_cover_them() -> None:
    index = RuleIndex([host_rule("*.a.test", f"/{number}/*") for number in range(500)])

    groups = {id(group) for number in range(100) for group in index.of_host(f"{number}.a.test").groups}

    assert len(groups) == 1


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
        index.of_host(f"h{number}.test")

    assert index.of_host.cache_info().currsize == 2


def test_an_index_without_rules_matches_nothing() -> None:
    index = RuleIndex([])

    assert len(index) == 0
    assert described(index.first_match(get("a.test"))) is None
    assert not index.applies_to(get("a.test"))
    assert RuleIndex([Rule()]).candidates("a.test") == ()


def test_an_index_that_was_asked_goes_without_the_collector() -> None:
    assert left_to_the_collector(lambda: RuleIndex(MIXED).first_match(get("a.test"))) == 0
