from typing import Any

from tests.fakes.audit_lines import entry_of

from iron_proxy.learning.observations import Observations
from iron_proxy.learning.rules import LearnedRules, learned_rules


def learned(*entries: dict[str, Any], clients: tuple[str, ...] = (), **options: Any) -> LearnedRules:
    observations = Observations(clients)
    for changes in entries:
        observations.take(entry_of(**changes))
    return learned_rules(observations, **options)


def mappings(*entries: dict[str, Any], **options: Any) -> list[dict[str, object]]:
    return [rule.mapping() for rule in learned(*entries, **options).rules]


HTTPS: dict[str, object] = {"host": "ok.test", "schemes": ["https"], "ports": [443]}


def test_a_rule_is_as_narrow_as_what_was_seen() -> None:
    assert mappings({"path": "/v1"}) == [HTTPS | {"methods": ["GET"], "paths": ["/v1"]}]
    assert mappings({"host": "ok.test:8080", "sni": "", "path": "/v1"}) == [
        {"host": "ok.test", "schemes": ["http"], "ports": [8080], "methods": ["GET"], "paths": ["/v1"]}
    ]


def test_methods_with_the_same_paths_share_a_rule() -> None:
    assert mappings({"path": "/a"}, {"path": "/a", "method": "POST"}) == [
        HTTPS | {"methods": ["GET", "POST"], "paths": ["/a"]}
    ]


def test_methods_with_other_paths_do_not() -> None:
    assert mappings({"path": "/a"}, {"path": "/b", "method": "POST"}) == [
        HTTPS | {"methods": ["GET"], "paths": ["/a"]},
        HTTPS | {"methods": ["POST"], "paths": ["/b"]},
    ]


def test_hosts_ports_and_schemes_are_rules_of_their_own() -> None:
    rules = mappings({"host": "a.test"}, {"host": "b.test"}, {"host": "a.test:8443"}, {"host": "a.test", "sni": ""})

    assert len(rules) == 4


def test_a_rule_is_for_the_clients_that_were_seen() -> None:
    entries = ({"client": "one"}, {"client": "two"}, {"client": "two", "path": "/x"})

    assert mappings(*entries, clients=("one", "two")) == [
        HTTPS | {"clients": ["one"], "methods": ["GET"], "paths": ["/"]},
        HTTPS | {"clients": ["two"], "methods": ["GET"], "paths": ["/", "/x"]},
    ]
    assert mappings(entries[0], entries[1], clients=("one", "two")) == [
        HTTPS | {"clients": ["one", "two"], "methods": ["GET"], "paths": ["/"]}
    ]


def test_with_a_client_without_a_name_among_them_it_is_for_all() -> None:
    assert mappings({"client": "one"}, {}, clients=("one",)) == [HTTPS | {"methods": ["GET"], "paths": ["/"]}]


def test_paths_that_cannot_be_named_make_a_rule_for_any_and_it_says_so() -> None:
    (rule,) = learned({"path": "/a/b", "ambiguous_path": True}, {"path": "/a"}).rules

    assert rule.mapping() == HTTPS | {"methods": ["GET"]}
    assert rule.notes == ("1 request was for paths that no rule can name, so any path is allowed",)
    assert rule.requests == 2


def test_tls_that_was_passed_through_makes_a_rule_for_anything_and_it_says_so() -> None:
    (rule,) = learned({"mode": "passthrough", "method": "", "path": ""}).rules

    assert rule.mapping() == HTTPS
    assert "passed through" in rule.notes[0]


def test_a_rule_for_anything_makes_others_superfluous() -> None:
    (rule,) = learned({"mode": "passthrough", "method": "", "path": ""}, {"path": "/a"}, {"method": "POST"}).rules

    assert rule.mapping() == HTTPS
    assert rule.requests == 3


def test_a_tunnel_is_opened_by_the_rule_for_what_comes_inside() -> None:
    opening = {"host": "ok.test:443", "method": "CONNECT", "path": "", "sni": ""}

    assert mappings(opening, {"path": "/a"}) == [HTTPS | {"methods": ["GET"], "paths": ["/a"]}]


def test_a_tunnel_in_which_nothing_came_is_opened_and_nothing_more() -> None:
    (rule,) = learned({"host": "ok.test:5432", "method": "CONNECT", "path": "", "sni": ""}).rules

    assert rule.mapping() == {"host": "ok.test", "ports": [5432], "methods": ["CONNECT"]}
    assert "opening" in rule.notes[0]


def test_a_tunnel_that_was_denied_and_is_wanted_lets_anything_inside_and_says_so() -> None:
    observations = Observations(include_denied=True)
    observations.take(entry_of(host="ok.test:443", method="CONNECT", path="", sni="", action="reject"))

    (rule,) = learned_rules(observations).rules
    assert rule.mapping() == {"host": "ok.test", "ports": [443]}
    assert "anything is allowed" in rule.notes[0]


def test_nothing_that_was_denied_to_the_same_client_is_allowed() -> None:
    seen = [{"path": "/users/1"}, {"path": "/users/2"}]

    assert mappings(*seen, {"path": "/users/3", "action": "reject"})[0]["paths"] == ["/users/1", "/users/2"]
    assert mappings(*seen, {"path": "/users/3", "action": "reject", "method": "POST"})[0]["paths"] == ["/users/?*"]


def test_a_denial_to_somebody_else_counts_where_the_rule_is_for_all() -> None:
    seen = [{"path": "/users/1", "client": "one"}, {"path": "/users/2", "client": "one"}]
    denied = {"path": "/users/3", "action": "reject", "client": "two"}

    assert mappings(*seen, denied, clients=("one", "two"))[0]["paths"] == ["/users/?*"]
    assert mappings(*seen, denied)[0]["paths"] == ["/users/1", "/users/2"]


def test_what_was_seen_too_seldom_is_left_out_and_counted() -> None:
    entries = [{"path": "/often"}] * 3 + [{"path": "/once"}, {"host": "once.test"}]
    opening = {"host": "tunnel.test:443", "method": "CONNECT", "path": "", "sni": ""}

    found = learned(*entries, opening, min_count=2)

    assert [rule.mapping() for rule in found.rules] == [HTTPS | {"methods": ["GET"], "paths": ["/often"]}]
    assert (found.seldom_requests, found.seldom_patterns) == (3, 3)


def test_a_rule_is_what_the_engine_would_read_from_it() -> None:
    (rule,) = learned({"path": "/a"}).rules
    compiled = rule.compiled()

    assert [set(each) for each in (compiled.methods, compiled.ports, compiled.schemes)] == [{"GET"}, {443}, {"https"}]
    assert [pattern.text for pattern in compiled.paths] == ["/a"]
