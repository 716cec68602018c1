import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.fakes.audit_lines import entry_of

from iron_proxy.learning.observations import Observations
from iron_proxy.learning.rule_text import counted, quoted, rules_as_json, rules_lines
from iron_proxy.learning.rules import LearnedRule, learned_rules


def rules_of(*paths: str, **changes: str) -> list[LearnedRule]:
    observations = Observations([changes.get("client", "")])
    for path in paths:
        observations.take(entry_of(path=path, **changes))
    return learned_rules(observations).rules


def loaded(rules: list[LearnedRule]) -> object:
    return YAML(typ="safe", pure=True).load("\n".join(rules_lines(rules)))


def test_rules_as_people_read_them() -> None:
    assert list(rules_lines(rules_of("/users/1", "/users/2", "/users/2", "/v1/me", client="agent-1"))) == [
        "rules:",
        '  - host: "ok.test"  # 4 requests',
        "    schemes: [https]",
        "    ports: [443]",
        '    clients: ["agent-1"]',
        "    methods: [GET]",
        "    paths:",
        '      - "/users/?*"  # 3, wider than the 2 paths seen',
        '      - "/v1/me"  # 1',
    ]


def test_no_rules_are_an_empty_list() -> None:
    assert list(rules_lines([])) == ["rules: []"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_a_scalar_and_nothing_more(text: str) -> None:
    assert YAML(typ="safe", pure=True).load(f"key: {quoted(text)}  # comment") == {"key": text}


@pytest.mark.parametrize(
    "path", ['/"\n      - "/*"', "/\x1b[31m", "/a#b", "/\u2028x", "/\x85x", "/a: b", "/'", "/{{ x }}", "/\ufeff"]
)
def test_a_path_cannot_become_a_line_of_the_policy(path: str) -> None:
    rules = rules_of(path)
    lines = list(rules_lines(rules))

    assert all(line.isprintable() for line in lines)
    assert loaded(rules) == {"rules": [rules[0].mapping()]}


def test_the_same_for_programs() -> None:
    assert rules_as_json(rules_of("/users/1", "/users/2")) == [
        {
            "rule": {
                "host": "ok.test", "schemes": ["https"], "ports": [443], "methods": ["GET"], "paths": ["/users/?*"]
            },
            "requests": 2,
            "paths": {"/users/?*": {"requests": 2, "paths": 2}},
            "notes": [],
        }
    ]  # fmt: skip


def test_one_is_not_many() -> None:
    assert (counted(1, "request"), counted(2, "request")) == ("1 request", "2 requests")
