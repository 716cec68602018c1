"""Which entries apply, and what is remembered about hosts and names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.secret_source import FakeSource
from tests.unit.transforms.secrets.building import (
    ENVIRONMENT,
    REAL,
    TOKEN,
    bearer,
    exchange_of,
    send,
    swapped,
    transform_from,
)

from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Mismatch, Rule
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.verdict import CONTINUE, Reject
from iron_proxy.transforms.secrets import plan as plan_module
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.plan import Plans


def entry_for(*hosts: str, token: bytes = TOKEN) -> Entry:
    return Entry(FakeSource("K", REAL), tuple(map(Rule.for_host, hosts)), Replacement(token))


@pytest.mark.parametrize(
    ("rule", "request_facts", "applies"),
    [
        ("{host: a.test, methods: [POST]}", {"method": "GET"}, False),
        ("{host: a.test, methods: [POST]}", {"method": "POST"}, True),
        ('{host: a.test, paths: ["/v1/*"]}', {"path": b"/v2/chat"}, False),
        ('{host: a.test, paths: ["/v1/*"]}', {"path": b"/v1/chat"}, True),
        ("{host: a.test, ports: [8443]}", {}, False),
        ("{host: a.test, schemes: [https]}", {}, True),
        ('{host: "*.test"}', {}, True),
        ("{cidr: 10.0.0.0/8}", {"host": "10.1.2.3"}, True),
        ("{cidr: 10.0.0.0/8}", {"host": "11.1.2.3"}, False),
        ("{host: b.test}, {host: a.test}", {}, True),
    ],
    ids=["GET", "POST", "other path", "path", "other port", "scheme", "wildcard", "address", "other address", "second"],
)  # fmt: skip
async def test_rules_decide_whether_an_entry_applies(rule: str, request_facts: dict[str, str], applies: bool) -> None:
    transform = transform_from(f"""
        secrets: [{{source: {{type: env, var: OPENAI_API_KEY}}, proxy_value: {TOKEN.decode()}, rules: [{rule}]}}]
    """)
    exchange = exchange_of(bearer(), **{"host": "a.test", **request_facts})  # type: ignore[arg-type]  # they differ

    await send(transform, exchange)

    assert exchange.notes.get("swapped") == (swapped("header:Authorization")["swapped"] if applies else None)


async def test_two_entries_on_one_request_are_both_swapped() -> None:
    transform = transform_from(
        f"""
        secrets:
          - source: {{type: env, var: OPENAI_API_KEY}}
            replace: {{proxy_value: {TOKEN.decode()}, match_headers: [Authorization]}}
            rules: [{{host: "*.anthropic.com"}}]
          - source: {{type: env, var: OTHER}}
            replace: {{proxy_value: proxy-other, match_headers: [X-Api-Key]}}
            rules: [{{host: api.anthropic.com}}]
        """,
        {**ENVIRONMENT, "OTHER": "real-other"},
    )
    exchange = exchange_of(bearer(), (b"X-Api-Key", b"proxy-other"), host="api.anthropic.com")

    await send(transform, exchange)

    assert exchange.request.headers.pairs == [bearer(REAL.encode()), (b"X-Api-Key", b"real-other")]
    assert [note["secret"] for note in exchange.notes["swapped"]] == ["OPENAI_API_KEY", "OTHER"]


@pytest.mark.parametrize("require", [False, True])
async def test_an_odd_spelling_of_the_path_gets_no_secret_and_is_no_way_round_require(require: bool) -> None:
    transform = transform_from(f"""
        secrets:
          - source: {{type: env, var: OPENAI_API_KEY}}
            replace: {{proxy_value: {TOKEN.decode()}, require: {str(require).lower()}}}
            rules: [{{host: a.test, paths: ["/v1/*"]}}]
    """)
    exchange = exchange_of(bearer(), host="a.test", path=b"/v2%2f..%2fv1/chat")

    verdict = await send(transform, exchange)

    assert isinstance(verdict, Reject) is require
    assert exchange.request.headers.pairs == [bearer()]
    assert exchange.notes.pop("token_misuse")
    assert exchange.notes == ({"rejected": "OPENAI_API_KEY", "reject_reason": "ambiguous_path"} if require else {})


async def test_the_longest_token_wins_and_nothing_cascades() -> None:
    yaml = """
        secrets:
          - {source: {type: env, var: A}, proxy_value: tok-1, rules: [{host: a.test}]}
          - {source: {type: env, var: B}, proxy_value: tok-12, rules: [{host: a.test}]}
    """
    transform = transform_from(yaml, {"A": "a real tok-12", "B": "B"})
    exchange = exchange_of((b"X-Api-Key", b"tok-12"), (b"Y", b"tok-1"), host="a.test")

    await send(transform, exchange)

    assert exchange.request.headers.pairs == [(b"X-Api-Key", b"B"), (b"Y", b"a real tok-12")]


async def test_a_longer_token_of_another_host_still_shadows_a_shorter_one() -> None:
    yaml = """
        secrets:
          - {source: {type: env, var: A}, proxy_value: tok-1, rules: [{host: a.test}]}
          - {source: {type: env, var: B}, proxy_value: tok-12, rules: [{host: b.test}]}
    """
    exchange = exchange_of((b"X", b"tok-12 tok-1"), host="a.test")

    await send(transform_from(yaml, {"A": "A", "B": "B"}), exchange)

    assert exchange.request.headers.pairs == [(b"X", b"tok-12 A")]


async def test_the_last_of_several_spellings_goes_on_the_wire_and_each_is_reported_as_its_own() -> None:
    yaml = """
        secrets:
          - {source: {type: env, var: A}, proxy_value: token-a, match_headers: [x-key], rules: [{host: a.test}]}
          - {source: {type: env, var: B}, proxy_value: token-b, match_headers: [X-KEY], rules: [{host: a.test}]}
    """
    exchange = exchange_of((b"X-Key", b"token-a token-b"), host="a.test")

    await send(transform_from(yaml, {"A": "1", "B": "2"}), exchange)

    assert exchange.request.headers.pairs == [(b"X-KEY", b"1 2")]
    assert [note["locations"] for note in exchange.notes["swapped"]] == [["header:x-key"], ["header:X-KEY"]]


def test_a_host_without_secrets_has_no_plan() -> None:
    plans = Plans([entry_for("a.test")])

    assert plans.for_request(exchange_of(host="b.test").request)[0] is None
    assert plans.first_possible(Target("b.test", 443)) is None


def test_the_same_entries_share_one_plan() -> None:
    plans = Plans([entry_for("*.test")])

    first, second = (plans.for_request(exchange_of(host=host).request)[0] for host in ("a.test", "b.test"))

    assert first is second is not None


def test_what_clients_can_invent_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_TARGETS_REMEMBERED", "_PLANS_REMEMBERED", "_NAMES_REMEMBERED"):
        monkeypatch.setattr(plan_module, name, 3)
    plans = Plans([entry_for("*"), *(entry_for(f"h{number}.test") for number in range(10))])

    for number in range(10):
        plan, _ = plans.for_request(exchange_of(host=f"h{number}.test").request)
        assert plan is not None
        assert all(plan.header(b"name-%d" % name) is not None for name in range(10))
        assert len(plan.names) == 3

    assert len(plans._destinations) <= 3
    assert len(plans._plans) <= 3


async def test_an_entry_without_rules_never_applies() -> None:
    transform = transform_from(f"secrets: [{{source: {{type: env, var: K}}, proxy_value: {TOKEN.decode()}}}]", {})
    exchange = exchange_of(bearer())

    assert await send(transform, exchange) is CONTINUE
    assert exchange.notes == {"token_misuse": [{"secret": "K", "locations": ["header:Authorization"]}]}


def by_a_look_at_every_entry(entries: list[Entry], request: Request) -> tuple[list[Entry], Entry | None]:
    """The entries that apply, and the first required one of which an ambiguous path leaves that open."""
    applicable, undecided = [], None
    for entry in entries:
        covering = (rule for rule in entry.rules if rule.could_match(request.target))
        mismatches = [rule.mismatch_of(request) for rule in covering]
        if None in mismatches:
            applicable.append(entry)
        elif entry.require and Mismatch.AMBIGUOUS_PATH in mismatches:
            undecided = undecided or entry
    return applicable, undecided


few = st.sampled_from
rules = st.builds(
    lambda host, path, method, port: Rule(
        host=HostPattern.parse(host),
        paths=tuple(map(PathPattern.parse, path)),
        methods=frozenset(method),
        ports=frozenset(port),
    ),
    few(["a.test", "*.test", "b.test"]),
    few([(), (), ("/a/*",), ("/a/b",), ("/*/b", "/c"), ("/c/*", "/d/*")]),
    few([(), (), ("GET",), ("POST",)]),
    few([(), (), (443,), (8443,)]),
)
entries = st.lists(
    st.builds(
        lambda rules, number, require: Entry(
            FakeSource("K", REAL), tuple(rules), Replacement(f"token-{number}".encode()), require=require
        ),
        st.lists(rules, max_size=4),
        st.integers(0, 99),
        st.booleans(),
    ),
    max_size=12,
)
requests = st.builds(
    lambda method, host, port, path: Request(method, "https", Target(host, port), path),
    few(["GET", "POST"]),
    few(["a.test", "b.test"]),
    few([443, 8443]),
    few([b"/a/b", b"/a/c", b"/x/b", b"/c", b"/d/x", b"/a//b", b"/%61/b", b"/z", b""]),
)


@pytest.mark.slow
@given(entries, st.lists(requests, min_size=1, max_size=8))
def test_the_plan_is_that_of_a_look_at_every_entry(entries: list[Entry], asked: list[Request]) -> None:
    plans = Plans(entries)

    for request in asked:
        plan, _ = plans.for_request(request)
        found = ([], None) if plan is None else (list(plan.entries), plan.ambiguous)
        assert found == by_a_look_at_every_entry(entries, request)
        possible = (entry for entry in entries if any(rule.could_match(request.target) for rule in entry.rules))
        assert plans.first_possible(request.target) is next(possible, None)


def test_requests_with_the_same_entries_have_the_same_plan() -> None:
    named = HostPattern.parse("a.test")
    narrow = Rule(host=named, paths=(PathPattern.parse("/v1/*"),))
    plans = Plans([entry_for("a.test"), Entry(FakeSource("K", REAL), (narrow,), Replacement(b"other-token"))])
    target = Target("a.test", 443)

    first, _ = plans.for_request(Request("GET", "https", target, b"/v1/x"))
    second, _ = plans.for_request(Request("POST", "https", target, b"/v1/y"))
    without, _ = plans.for_request(Request("GET", "https", target, b"/v2"))

    assert first is second
    assert first is not None
    assert len(first.entries) == 2
    assert without is not None
    assert len(without.entries) == 1


def test_no_more_extended_plans_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "_PLANS_REMEMBERED", 2)
    named = HostPattern.parse("a.test")
    each = [Rule(host=named, paths=(PathPattern.parse(f"/{number}"),)) for number in range(5)]
    plans = Plans([Entry(FakeSource("K", REAL), (rule,), Replacement(b"token")) for rule in each])

    for number in range(5):
        plan, _ = plans.for_request(Request("GET", "https", Target("a.test", 443), f"/{number}".encode()))
        assert plan is not None
        assert plan.entries[0].rules == (each[number],)

    assert len(plans._extended) <= 2
