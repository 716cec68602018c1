"""`covers` is never wrong when it says yes, and `overlaps` never when it says no."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.inspection.coverage import covers, overlaps, own_network, possible_coverers
from iron_proxy.matching.host_patterns import CIDRPattern, HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.messages.authority import Target, parse_target
from iron_proxy.messages.request import Request


def rule(destination: str, *, methods: tuple[str, ...] = (), paths: tuple[str, ...] = (), ports: tuple[int, ...] = (),
         schemes: tuple[str, ...] = (), clients: tuple[str, ...] = ()) -> Rule:  # fmt: skip
    is_range = "/" in destination
    return Rule(
        host=None if is_range else HostPattern.parse(destination),
        cidr=CIDRPattern.parse(destination) if is_range else None,
        methods=frozenset(methods), paths=tuple(map(PathPattern.parse, paths)), ports=frozenset(ports),
        schemes=frozenset(schemes), clients=frozenset(clients), description=destination,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wide", "narrow", "is_so"),
    [
        (rule("*"), rule("a.test"), True),
        (rule("*"), rule("*"), True),
        (rule("a.test"), rule("*"), False),
        (rule("*.a.test"), rule("a.test"), True),
        (rule("*.a.test"), rule("*.b.a.test"), True),
        (rule("*.b.a.test"), rule("*.a.test"), False),
        (rule("*.a.test"), rule("api-*.a.test"), True),
        (rule("*.a.test"), rule("api-*a.test"), False),
        (rule("api-*.a.test"), rule("api-*.a.test"), True),
        (rule("api-*.a.test"), rule("api-1.a.test"), True),
        (rule("api-*.a.test"), rule("*.a.test"), False),
        (rule("10.0.0.0/8"), rule("10.1.0.0/16"), True),
        (rule("10.1.0.0/16"), rule("10.0.0.0/8"), False),
        (rule("10.0.0.0/8"), rule("10.1.2.3"), True),
        (rule("10.0.0.0/8"), rule("a.test"), False),
        (rule("::/0"), rule("10.0.0.0/8"), False),
        (rule("a.test"), rule("10.0.0.0/8"), False),
        # Naming an address is a leave of its own.
        (rule("*"), rule("127.0.0.1"), False),
        (rule("*"), rule("10.0.0.0/8"), False),
        (rule("*"), rule("localhost"), False),
        (rule("*"), rule("0.0.0.0/0"), True),
        # Everything else that a rule says.
        (rule("a.test"), rule("a.test", methods=("GET",)), True),
        (rule("a.test", methods=("GET",)), rule("a.test"), False),
        (rule("a.test", methods=("GET", "PUT")), rule("a.test", methods=("GET",)), True),
        (rule("a.test", ports=(443,)), rule("a.test", ports=(443, 8443)), False),
        (rule("a.test", schemes=("https",)), rule("a.test"), False),
        (rule("a.test", clients=("x",)), rule("a.test", clients=("x",)), True),
        (rule("a.test", paths=("/v1/*",)), rule("a.test", paths=("/v1/x/*", "/v1/y")), True),
        (rule("a.test", paths=("/v1/*",)), rule("a.test", paths=("/v1/*", "/v2")), False),
        (rule("a.test", paths=("/*/x",)), rule("a.test", paths=("/*/x",)), True),
        (rule("a.test", paths=("/*/x",)), rule("a.test", paths=("/a/*",)), False),
        (rule("a.test", paths=("/x",)), rule("a.test"), False),
    ],
)
def test_what_covers_what(wide: Rule, narrow: Rule, is_so: bool) -> None:
    assert covers(wide, narrow) is is_so


@pytest.mark.parametrize(
    ("one", "other", "is_so"),
    [
        (rule("*"), rule("10.0.0.0/8"), True),
        (rule("*.a.test"), rule("x.a.test"), True),
        (rule("*.a.test"), rule("*.b.test"), False),
        (rule("*.a.test"), rule("*.x.a.test"), True),
        (rule("a.test"), rule("b.test"), False),
        (rule("10.0.0.0/8"), rule("10.1.2.3"), True),
        (rule("10.0.0.0/8"), rule("192.168.0.0/16"), False),
        (rule("10.0.0.0/8"), rule("*.a.test"), False),
        (rule("10.0.0.0/8"), rule("1*.a.test"), True),
        (rule("api-*.test"), rule("*.b.test"), True),
        (rule("a.test", ports=(1,)), rule("a.test", ports=(2,)), False),
        (rule("a.test", methods=("GET",)), rule("a.test", methods=("PUT",)), False),
        (rule("a.test", clients=("x",)), rule("a.test"), True),
        (rule("a.test", paths=("/a/*",)), rule("a.test", paths=("/b/*",)), False),
        (rule("a.test", paths=("/a/*",)), rule("a.test", paths=("/a/b/*",)), True),
        (rule("a.test", paths=("/a",)), rule("a.test", paths=("/b", "/a")), True),
        (rule("a.test", paths=("/a",)), rule("a.test", paths=("/b",)), False),
        (rule("a.test", paths=("/*/b",)), rule("a.test", paths=("/a/*",)), True),
    ],
)
def test_what_overlaps_with_what(one: Rule, other: Rule, is_so: bool) -> None:
    assert overlaps(one, other) is overlaps(other, one) is is_so


DESTINATIONS = st.sampled_from(
    ["*", "a.test", "*.a.test", "*.b.a.test", "b.a.test", "b*.a.test", "?.a.test", "*a.test", "*.test", "10.1.2.3",
     "10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "localhost"]
)  # fmt: skip
PATHS = st.lists(st.sampled_from(["/", "/a", "/a/*", "/a/b", "/*/b", "/a*", "/b/*"]), max_size=2, unique=True)
RULES = st.builds(
    lambda destination, methods, paths, ports: rule(
        destination, methods=tuple(methods), paths=tuple(paths), ports=tuple(ports)
    ),
    DESTINATIONS,
    st.lists(st.sampled_from(["GET", "PUT"]), max_size=2, unique=True),
    PATHS,
    st.lists(st.sampled_from([80, 443]), max_size=2, unique=True),
)
REQUESTS = [
    Request(method, "https", parse_target(host, 443)._replace(port=port), path)
    for host, method, path, port in itertools.product(
        [b"a.test", b"b.a.test", b"x.b.a.test", b"xa.test", b"test", b"10.1.2.3", b"10.9.9.9", b"11.1.1.1",
         b"localhost"],
        ["GET", "PUT", "POST"], [b"/", b"/a", b"/a/", b"/a/b", b"/a/b/c", b"/x/b", b"/ab"], [80, 443],
    )
]  # fmt: skip


@given(RULES, RULES)
def test_no_request_shows_a_verdict_to_be_wrong(one: Rule, other: Rule) -> None:
    is_covered, is_overlapping = covers(one, other), overlaps(one, other)

    for request in REQUESTS:
        if is_covered:
            assert one.matches(request) or not other.matches(request)
        if not is_overlapping:
            assert not (one.matches(request) and other.matches(request))


@pytest.mark.slow
@given(st.lists(RULES, max_size=6), RULES)
def test_no_coverer_is_missed_among_many(others: list[Rule], own: Rule) -> None:
    likely = possible_coverers(own, RuleIndex([*others, own]))

    assert [each for each in others if covers(each, own) and each not in likely] == []


def test_the_range_of_a_rule() -> None:
    assert str(own_network(rule("10.1.0.0/16"))) == "10.1.0.0/16"
    assert str(own_network(rule("fd00::/8"))) == "fd00::/8"
    assert str(own_network(rule("10.1.2.3"))) == "10.1.2.3/32"
    assert own_network(rule("a.test")) is None


def test_a_rule_without_a_destination_has_no_coverers() -> None:
    assert possible_coverers(Rule(), RuleIndex([rule("*")])) == []
    assert not covers(rule("a.test"), Rule())
    assert Target("a.test", 1) == parse_target(b"a.test:1", None)
