"""Three ways to write a secret, and every way to write it wrong."""

import textwrap

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.problems import Problems
from iron_proxy.matching.header_patterns import HeaderPattern
from iron_proxy.messages.authority import Target
from iron_proxy.secret_sources.registry import SourceContext
from iron_proxy.transforms.secrets.entries import Entry, Replacement, entries_from
from iron_proxy.transforms.secrets.inject import HeaderInjection, QueryInjection

SEED = """
    source: env
    secrets:
      - var: OPENAI_API_KEY
        proxy_value: "proxy-token-123"
        match_headers: ["Authorization"]
        match_body: false
        require: true
        hosts:
          - name: "api.openai.com"
          - cidr: "10.0.0.0/8"
"""


def read(yaml: str) -> tuple[list[Entry], Problems]:
    problems = Problems("test.yaml")
    section = parse_config(textwrap.dedent(yaml), "test.yaml", problems)
    return entries_from(section, SourceContext({"OPENAI_API_KEY": "sk-real", "K": "v"})), problems


def entry_of(yaml: str) -> Entry:
    entries, problems = read(yaml)
    assert not problems.errors
    return entries[0]


def replacement_of(entry: Entry) -> Replacement:
    assert entry.replacement is not None
    return entry.replacement


def test_the_seed_form() -> None:
    entry = entry_of(SEED)
    how = replacement_of(entry)

    assert (entry.name, entry.require, entry.allow_plaintext) == ("OPENAI_API_KEY", True, False)
    assert (how.token, [pattern.text for pattern in how.headers]) == (b"proxy-token-123", ["Authorization"])
    assert (how.in_query, how.in_path, how.in_body) == (True, False, False)
    assert [rule.could_match(Target("api.openai.com", 443)) for rule in entry.rules] == [True, False]
    assert [rule.could_match(Target("10.1.1.1", 443, is_ip=True)) for rule in entry.rules] == [False, True]


def test_the_older_form_has_no_query() -> None:
    how = replacement_of(
        entry_of("""
            secrets:
              - source: {type: env, var: K}
                proxy_value: proxy-token-123
                match_body: yes
                rules: [{host: a.test}]
        """)
    )

    assert (how.headers, how.in_query, how.in_path, how.in_body) == ((), False, False, True)


def test_the_replace_block() -> None:
    entry = entry_of("""
        secrets:
          - source: {type: env, var: K}
            replace: {proxy_value: 12345678, match_headers: [A, /b/], match_query: on, match_path: yes, require: y}
            rules: [{host: a.test, methods: [post]}]
            allow_plaintext: true
    """)
    how = replacement_of(entry)

    assert (how.token, how.in_query, how.in_path, how.in_body) == (b"12345678", True, True, False)
    assert [type(pattern) for pattern in how.headers] == [HeaderPattern, HeaderPattern]
    assert (entry.require, entry.allow_plaintext, entry.injection) == (True, True, None)


@pytest.mark.parametrize(
    ("inject", "kind", "location"),
    [
        ("{header: X-API-KEY, require: true}", HeaderInjection, "header:X-API-KEY"),
        ("{query_param: key, formatter: '{{ .Value }}', require: true}", QueryInjection, "query:key"),
        ("{query_param: 'filter[key]', require: true}", QueryInjection, "query:filter[key]"),
    ],
    ids=["header", "query parameter", "brackets in the parameter"],
)
def test_the_inject_block(inject: str, kind: type, location: str) -> None:
    entry = entry_of(f"secrets: [{{source: {{type: env, var: K}}, inject: {inject}, rules: [{{host: a.test}}]}}]")

    assert entry.injection is not None
    assert type(entry.injection) is kind
    assert entry.injection.location == location
    assert (entry.require, entry.replacement) == (True, None)


@pytest.mark.parametrize("yaml", ["secrets: []", "secrets:", "source: env"], ids=str)
def test_no_entries_are_no_entries(yaml: str) -> None:
    entries, problems = read(yaml)

    assert (entries, problems.errors) == ([], [])


def test_forms_mix_within_one_list() -> None:
    entries, problems = read("""
        source: env
        secrets:
          - {var: K, proxy_value: token-of-the-seed, hosts: [{name: a.test}]}
          - {source: {type: env, var: K}, proxy_value: token-of-its-own, rules: [{host: a.test}]}
    """)

    assert not problems.errors
    assert [replacement_of(entry).in_query for entry in entries] == [True, False]


LEGACY = "proxy_value: tokentoken"
REPLACE = "replace: {proxy_value: tokentoken}"
INJECT = "inject: {header: A}"
SOURCE = "source: {type: env, var: K}"
BOTH = "cannot use both top-level proxy_value/match_headers and"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (SOURCE, "must specify either inject or replace"),
        (f"{SOURCE}, replace: null, match_headers: [], match_body: false", "must specify either inject or replace"),
        (f"{SOURCE}, {LEGACY}, {REPLACE}", f"{BOTH} replace block"),
        (f"{SOURCE}, match_headers: [A], inject: {{}}", f"{BOTH} inject block"),
        (f"{SOURCE}, require: true, {INJECT}, {REPLACE}", f"{BOTH} replace block"),
        (f"{SOURCE}, {INJECT}, {REPLACE}", "cannot specify both inject and replace"),
        (f"{SOURCE}, replace: {{}}, inject: {{}}", "cannot specify both inject and replace"),
        (f"{SOURCE}, inject: {{}}", "inject must specify either header or query_param"),
        (f"{SOURCE}, inject: {{header: A, query_param: b}}", "inject cannot specify both header and query_param"),
        (f"{SOURCE}, replace: {{}}", "replace.proxy_value is required"),
        (f"{SOURCE}, require: true", "proxy_value is required"),
        (LEGACY, "source.type is required"),
        (f"source: {{}}, {LEGACY}", "source.type is required"),
        (f"source: {{type: evn, var: K}}, {LEGACY}", 'unsupported source type "evn" (did you mean "env"?)'),
        (f"source: {{type: vault}}, {LEGACY}", 'source type "vault" is not available in this version'),
        (f"{SOURCE}, {LEGACY}, rules: [{{host: a, cidr: b}}]", "rules[0]: host and cidr are mutually exclusive"),
        (f"{SOURCE}, {LEGACY}, rules: [{{}}]", "rules[0]: one of host or cidr is required"),
        (f"{SOURCE}, {LEGACY}, rules: [{{cidr: x}}]", 'rules[0]: parsing CIDR "x"'),
        (f"{SOURCE}, {LEGACY}, rules: [{{host: a, paths: [x]}}]", 'rules[0]: path "x" must start with /'),
        (f"{SOURCE}, inject: {{header: A, formatter: '{{{{ .Nope }}}}'}}", "parsing formatter template: "),
        (f"{SOURCE}, inject: {{header: A, formatter: '{{{{ .Value'}}", "parsing formatter template: "),
        (f"{SOURCE}, inject: {{header: A, formatter: '{{{{ .Value.__class__ }}}}'}}", "parsing formatter template: "),
        (f"{SOURCE}, {LEGACY}, match_headers: ['/[invalid/']", 'invalid match_headers regex "[invalid": '),
        (f"{SOURCE}, replace: {{proxy_value: t, match_headers: ['/[x/']}}", 'invalid match_headers regex "[x": '),
    ],
    ids=lambda text: text if text.startswith(("source", "proxy")) else None,
)  # fmt: skip
def test_the_contract_s_problems_name_the_entry(entry: str, problem: str) -> None:
    _, problems = read(f"secrets: [{{{entry}}}]")

    places = (f"test.yaml:1: secrets[0]: {problem}", f"test.yaml:1: secrets[0].{problem}")
    assert any(line.startswith(places) for line in problems.errors), problems.errors


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (f"{SOURCE}, replace: {{proxy_value: t, match_header: [A]}}", "replace.match_header: unknown key (did you"),
        (f"{SOURCE}, {LEGACY}, hosts: [{{name: a}}]", "hosts: unknown key"),
        (f"{SOURCE}, {LEGACY}, match_query: true", "match_query: unknown key"),
        (f"{SOURCE}, inject: {{header: A, formater: x}}", 'inject.formater: unknown key (did you mean "formatter"?)'),
        (f"{SOURCE}, {LEGACY}, redact_responses: maybe", "redact_responses: "),
        (f"{SOURCE}, {LEGACY}, on_oversize: cut", "on_oversize: "),
        (f"{SOURCE}, {LEGACY}, encodings: [basic]", 'encodings[0]: must be one of form, json, base64, compressed;'),
        (f"{SOURCE}, replace: {{proxy_value: t, encodings: [json, url]}}", "replace.encodings[1]: must be one of"),
        (f"{SOURCE}, inject: {{header: 'X Y'}}", 'inject.header: "X Y" is not a header name'),
        (f"{SOURCE}, inject: {{header: Host}}", "inject.header: Host is written by the proxy and cannot be injected"),
        (f"{SOURCE}, inject: {{header: transfer-encoding}}", "header: transfer-encoding is written by the proxy"),
        (f"{SOURCE}, inject: {{query_param: 'a&b'}}", 'inject.query_param: "a&b" cannot be a query parameter'),
        (f"{SOURCE}, {LEGACY}, match_headers: ['A B']", "match_headers[0]: "),
        (f"{SOURCE}, replace: x", "replace: must be a mapping"),
        (f'{SOURCE}, proxy_value: "\\ud800"', "proxy_value holds half a character"),
    ],
    ids=lambda text: None if text.startswith("source") else text,
)  # fmt: skip
def test_what_upstream_let_pass_is_a_problem(entry: str, problem: str) -> None:
    _, problems = read(f"secrets: [{{{entry}}}]")

    assert any(problem in line for line in problems.errors), problems.errors


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("proxy_value: t", 'secrets[0]: env source requires "var" field'),
        ("var: K", "secrets[0]: proxy_value is required"),
        ("var: K, proxy_value: t, hosts: [{}]", "hosts[0]: one of name or cidr is required"),
        ("var: K, proxy_value: t, hosts: [{name: a, cidr: b}]", "hosts[0]: name and cidr are mutually exclusive"),
        ("var: K, proxy_value: t, hosts: [{cidr: b}]", "hosts[0].cidr: "),
        ("var: K, proxy_value: t, hosts: [{nme: b}]", 'hosts[0].nme: unknown key (did you mean "name"?)'),
        ("var: K, proxy_value: t, rules: [{host: a}]", "rules: unknown key"),
    ],
    ids=lambda text: text,
)
def test_problems_of_the_seed_form(entry: str, problem: str) -> None:
    _, problems = read(f"source: env\nsecrets: [{{{entry}}}]")

    assert any(problem in line for line in problems.errors), problems.errors


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("source: vault\nsecrets: []", 'test.yaml:1: source: must be env; got "vault"'),
        ("secrets: [{var: K, proxy_value: t}]", "secrets[0]: source.type is required"),
        ("secrts: []", 'test.yaml:1: secrts: unknown key (did you mean "secrets"?)'),
        ("source: env\nsecrets: x", "secrets: must be a list of mappings"),
    ],
    ids=lambda text: text,
)
def test_problems_around_the_entries(yaml: str, problem: str) -> None:
    _, problems = read(yaml)

    assert any(problem in line for line in problems.errors), problems.errors


def test_every_problem_of_every_entry_is_told_at_once() -> None:
    _, problems = read("""
        secrets:
          - source: {type: file}
            rules: [{host: a, cidr: b}]
          - inject: {header: "("}
            oops: 1
    """)

    assert [line.split(": ", 1)[1].split(":")[0] for line in problems.errors] == [
        "secrets[0]",
        "secrets[0].source",
        "secrets[0].rules[0]",
        "secrets[0].rules[0]",
        "secrets[1].inject.header",
        "secrets[1]",
        "secrets[1].oops",
    ]


def test_doubtful_entries_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    read("secrets: [{source: {type: env, var: UNSET}, proxy_value: short}]")

    assert caplog.messages == [
        "secret source has no value yet",
        "secret has no rules and is never used",
        "proxy token is short and may stand in a request by accident",
    ]
    assert all(vars(record)["fields"] == {"secret": "UNSET"} for record in caplog.records)


def test_a_wide_host_of_the_seed_form_is_warned_of() -> None:
    _, problems = read("source: env\nsecrets: [{var: K, proxy_value: tokentoken, hosts: [{name: '*example.com'}]}]")

    assert problems.errors == []
    assert problems.warnings[0].startswith("test.yaml:2: secrets[0].hosts[0].name: ")
