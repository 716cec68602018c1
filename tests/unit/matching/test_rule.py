"""One rule: how it is read, what it admits, what is wrong with it."""

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.section import Section
from iron_proxy.matching.rule import Mismatch, Rule, rules_from, rules_from_texts
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request


def section_of(yaml: str) -> Section:
    section = parse_config(yaml, "test.yaml")
    section.problems.client_names = frozenset(("ci", "agent-1"))
    return section


def rule_of(yaml: str) -> Rule:
    section = section_of(f"rules: [{{{yaml}}}]\n")
    (rule,) = rules_from(section)
    section.problems.raise_if_any()
    return rule


def admits(
    rule: Rule,
    method: str = "GET",
    raw_path: bytes = b"/",
    *,
    host: str = "api.test",
    port: int = 443,
    client: str = "",
) -> bool:
    request = Request(method, "https", Target(host, port), raw_path)
    request.client_name = client
    return rule.matches(request)


@pytest.mark.parametrize(
    ("methods", "method", "expected"),
    [
        pytest.param("", "BREW", True, id="absent: any"),
        pytest.param("methods: []", "GET", True, id="empty: any"),
        pytest.param("methods: ['*']", "DELETE", True, id="a star alone: any"),
        pytest.param("methods: [GET, post]", "GET", True, id="listed"),
        pytest.param("methods: [GET, post]", "POST", True, id="lower case in the file"),
        pytest.param("methods: [GET, post]", "DELETE", False, id="not listed"),
        pytest.param("methods: [GET]", "get", False, id="methods mind case"),
        pytest.param("methods: ['*', GET]", "DELETE", False, id="a star beside others is literal"),
    ],
)
def test_methods(methods: str, method: str, expected: bool) -> None:
    assert admits(rule_of(f"host: api.test, {methods}"), method) is expected


@pytest.mark.parametrize(
    ("paths", "raw_path", "expected"),
    [
        pytest.param("paths: [/v1/*]", b"/v1/models", True, id="covered"),
        pytest.param("paths: [/v1/*]", b"/admin", False, id="not covered"),
        pytest.param("paths: [/v1/*, /health]", b"/health", True, id="any of several"),
        pytest.param("paths: []", b"/admin", True, id="empty: any"),
        pytest.param("paths: [/v1/*]", b"/v1//x", False, id="ambiguous"),
        pytest.param("paths: [/v1/*]", b"/v1/..;/admin", False, id="ambiguous dots"),
        pytest.param("paths: [/v1/*, /*]", b"/v1//x", True, id="/* admits every path, however it is read"),
        pytest.param("", b"/v1//x", True, id="without paths none is ambiguous"),
    ],
)
def test_paths(paths: str, raw_path: bytes, expected: bool) -> None:
    assert admits(rule_of(f"host: api.test, {paths}"), raw_path=raw_path) is expected


def test_ports_and_schemes_narrow_a_rule() -> None:
    rule = rule_of("host: api.test, ports: [443, 8443], schemes: [https]")

    assert admits(rule, port=8443)
    assert not admits(rule, port=80)
    assert not rule.matches(Request("GET", "http", Target("api.test", 443), b"/"))


def test_all_conditions_must_fit() -> None:
    rule = rule_of("host: api.test, methods: [GET], paths: [/v1/*], ports: [443]")

    assert admits(rule, raw_path=b"/v1/x")
    assert not admits(rule, raw_path=b"/v1/x", host="other.test")
    assert not admits(rule, "POST", b"/v1/x")
    assert not admits(rule, raw_path=b"/v2/x")
    assert not admits(rule, raw_path=b"/v1/x", port=80)


@pytest.mark.parametrize(
    ("clients", "client", "expected"),
    [
        pytest.param("", "ci", True, id="absent: any"),
        pytest.param("", "", True, id="absent: an unknown one too"),
        pytest.param("clients: []", "", True, id="empty: any"),
        pytest.param("clients: [ci]", "ci", True, id="listed"),
        pytest.param("clients: [ci, agent-1]", "agent-1", True, id="any of several"),
        pytest.param("clients: [ci]", "agent-1", False, id="not listed"),
        pytest.param("clients: [ci]", "", False, id="unknown"),
        pytest.param("clients: [ci]", "CI", False, id="names mind case"),
    ],
)
def test_clients(clients: str, client: str, expected: bool) -> None:
    rule = rule_of(f"host: api.test, {clients}")

    assert admits(rule, client=client) is expected
    assert rule.could_match(Target("api.test", 443), client) is expected
    assert rule.admits_client(client) is expected


def test_a_rule_for_some_clients_is_not_a_rule_on_a_host_alone() -> None:
    assert rule_of("host: api.test").is_host_only
    assert not rule_of("host: api.test, clients: [ci]").is_host_only


def test_the_client_of_a_request_is_asked_for() -> None:
    rule = rule_of("host: api.test, clients: [ci]")
    request = Request("GET", "https", Target("api.test", 443), b"/")

    assert rule.mismatch_of(request) is Mismatch.CLIENT
    request.client_name = "ci"
    assert rule.mismatch_of(request) is None


def test_a_client_that_is_not_configured_is_told_at_its_line() -> None:
    section = section_of("rules:\n  - host: a.test\n    clients:\n      - ci\n      - agent1\n      - x\n")

    rules_from(section)

    assert section.problems.errors == [
        'test.yaml:5: rules[0].clients[1]: there is no client "agent1" (did you mean "agent-1"?)',
        'test.yaml:6: rules[0].clients[2]: there is no client "x"; it has no entry under the top-level key clients',
    ]


def test_could_match_asks_for_host_and_port_only() -> None:
    rule = rule_of("host: api.test, methods: [GET], paths: [/v1/*], ports: [443], schemes: [https]")

    assert rule.could_match(Target("api.test", 443))
    assert not rule.could_match(Target("api.test", 22))
    assert not rule.could_match(Target("other.test", 443))


def test_a_cidr_rule_may_have_methods() -> None:
    rule = rule_of("cidr: 10.0.0.0/8, methods: [GET]")

    assert admits(rule, host="10.1.2.3")
    assert not admits(rule, "POST", host="10.1.2.3")
    assert not admits(rule, host="api.test")


def test_a_rule_says_what_does_not_fit() -> None:
    rule = rule_of("host: api.test, paths: [/v1/*], ports: [443], schemes: [https], clients: [ci]")

    def mismatch(port: int, scheme: str, raw_path: bytes, client: str = "ci") -> Mismatch | None:
        request = Request("GET", scheme, Target("api.test", port), raw_path)
        request.client_name = client
        return rule.mismatch_of(request)

    assert mismatch(80, "http", b"/v1//", "agent-1") is Mismatch.CLIENT
    assert mismatch(80, "http", b"/") is Mismatch.PORT
    assert mismatch(443, "http", b"/") is Mismatch.SCHEME
    assert mismatch(443, "https", b"/") is Mismatch.METHOD_OR_PATH
    assert mismatch(443, "https", b"/v1//") is Mismatch.AMBIGUOUS_PATH
    assert mismatch(443, "https", b"/v1/x") is None


def test_whether_the_rest_fits_can_be_asked_without_the_path() -> None:
    rule = rule_of("host: api.test, methods: [GET], paths: [/v1/*]")

    assert rule.mismatch_besides_path(Request("GET", "https", Target("api.test", 443), b"/v2")) is None
    missed = rule.mismatch_besides_path(Request("POST", "https", Target("api.test", 443), b"/v1/x"))
    assert missed is Mismatch.METHOD_OR_PATH


@pytest.mark.parametrize(
    ("paths", "comparisons"),
    [("", 1), (", paths: [/a, /b, /c]", 1), (", paths: [/a, /b/*, /c/*, /*/d]", 3)],
    ids=["none", "whole paths are one look", "others are one each"],
)
def test_a_rule_says_how_much_work_it_is(paths: str, comparisons: int) -> None:
    assert rule_of(f"host: api.test{paths}").comparisons == comparisons


def test_a_rule_describes_itself_as_it_was_written() -> None:
    rule = rule_of("host: API.test, methods: [get, POST], paths: [/v1/*], ports: [443], clients: [ci]")

    assert rule.describe() == "API.test methods=[get, POST] paths=[/v1/*] ports=[443] clients=[ci]"
    assert Rule.for_cidr("10.0.0.1/8").describe() == "10.0.0.1/8"


def test_a_rule_without_a_destination_matches_nothing() -> None:
    assert not Rule().could_match(Target("api.test", 443))


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        pytest.param("host: a.test, cidr: 10.0.0.0/8", "rules[0]: host and cidr are mutually exclusive", id="both"),
        pytest.param("methods: [GET]", "rules[0]: one of host or cidr is required", id="neither"),
        pytest.param("host: ''", "rules[0]: one of host or cidr is required", id="empty"),
        pytest.param("cidr: 10.0.0.0", 'rules[0]: parsing CIDR "10.0.0.0": must be CIDR notation', id="CIDR"),
        pytest.param("host: a.test, paths: ['*']", 'rules[0]: path "*" must start with /', id="path"),
        pytest.param(
            "host: 'http://a.test'", 'rules[0].host: "http://a.test": a host pattern has no scheme', id="host"
        ),
        pytest.param(
            "host: a.test, methods: ['G E T']", 'rules[0].methods[0]: "G E T" is not a method name', id="method"
        ),
        pytest.param("host: a.test, ports: [0]", "rules[0].ports[0]: must be a port number", id="port zero"),
        pytest.param(
            "host: a.test, ports: [6_5]", "rules[0].ports[0]: must be a port number", id="port with an underscore"
        ),
        pytest.param(
            "host: a.test, schemes: [ftp]", 'rules[0].schemes[0]: must be http or https; got "ftp"', id="scheme"
        ),
        pytest.param(
            "host: a.test, pahts: [/x]", 'rules[0].pahts: unknown key (did you mean "paths"?)', id="unknown key"
        ),
        pytest.param("host: [a]", "rules[0].host: must be a string", id="a list as a host"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(rule: str, problem: str) -> None:
    section = section_of(f"rules:\n  - {{{rule}}}\n")

    rules_from(section)

    assert any(error.startswith(f"test.yaml:2: {problem}") for error in section.problems.errors), (
        section.problems.errors
    )


def test_every_problem_of_every_rule_is_told_once() -> None:
    section = section_of("rules:\n  - {host: 'a b', paths: [x, y]}\n  - {cidr: z, methods: {a: b}}\n")

    rules_from(section)

    assert len(section.problems.errors) == 5
    assert len(set(section.problems.errors)) == 5


def test_a_trap_loads_with_a_warning_that_names_its_place() -> None:
    section = section_of(
        "rules:\n  - host: '*example.com'\n  - host: b.test\n    methods: ['*', GET]\n    paths: ['/a/*/*']\n"
    )

    assert len(rules_from(section)) == 2

    assert section.problems.errors == []
    warnings = section.problems.warnings
    assert [warning.partition(": ")[0] for warning in warnings] == ["test.yaml:2", "test.yaml:4", "test.yaml:5"]
    assert warnings[0] == 'test.yaml:2: rules[0].host: "*example.com" also matches evilexample.com; write *.example.com'


def test_plain_lists_become_rules_with_problems_at_their_element() -> None:
    section = section_of("domains:\n  - a.test\n  - a.test/x\n  - 'api.*'\ncidrs: [10.0.0.0/8, nonsense]\n")

    domains = rules_from_texts(section, "domains", Rule.for_host)
    cidrs = rules_from_texts(section, "cidrs", Rule.for_cidr)

    assert [rule.describe() for rule in domains + cidrs] == ["a.test", "api.*", "10.0.0.0/8"]
    assert [error.split(": ")[:2] for error in section.problems.errors] == [
        ["test.yaml:3", "domains[1]"],
        ["test.yaml:5", "cidrs[1]"],
    ]
    assert section.problems.warnings[0].startswith("test.yaml:4: domains[2]: ")


def test_a_rule_knows_where_it_stands() -> None:
    section = section_of("domains:\n  - a.test\n  - b.test\nrules:\n  - host: c.test\n  - host: d.test\n")

    rules = rules_from_texts(section, "domains", Rule.for_host) + rules_from(section)

    assert [(rule.place, rule.line) for rule in rules] == [
        ("domains[0]", 2), ("domains[1]", 3), ("rules[0]", 5), ("rules[1]", 6),
    ]  # fmt: skip
