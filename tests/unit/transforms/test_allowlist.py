"""The allowlist admits what a rule names and rejects the rest with the reason."""

from dataclasses import replace

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.section import Section
from iron_proxy.matching.rule import Rule
from iron_proxy.messages.authority import Target, parse_target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Admission, Exchange
from iron_proxy.pipeline.transform import AdmittingTransform, RequestTransform, Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Continue, Reject, Verdict
from iron_proxy.transforms.allowlist import Allowlist, build

CONTEXT = TransformContext(environment={}, max_request_body_bytes=None)


def section_of(yaml: str) -> Section:
    return parse_config(yaml, "test.yaml")


def allowlist(yaml: str) -> Allowlist:
    section = section_of(yaml)
    transform = build(section, CONTEXT)
    section.problems.raise_if_any()
    assert isinstance(transform, Allowlist)
    return transform


def exchange_for(authority: str, raw_path: bytes = b"/", method: str = "GET", scheme: str = "https") -> Exchange:
    return Exchange(Request(method, scheme, parse_target(authority.encode(), 443), raw_path))


async def verdict_on(yaml: str, exchange: Exchange) -> Verdict:
    return await allowlist(yaml).on_request(exchange)


BOTH = "domains: [api.test]\ncidrs: [10.0.0.0/8, 192.168.0.0/16]\n"
RULES = """
domains: [flat.test]
rules:
  - {host: api.test, methods: [GET, post], paths: [/v1/*, /health]}
  - {host: "*.wild.test", ports: [8443]}
  - {cidr: 10.0.0.0/8, methods: [GET]}
"""


@pytest.mark.parametrize(
    ("yaml", "authority", "raw_path", "method", "passes"),
    [
        pytest.param("domains: [api.openai.com]", "api.openai.com", b"/", "GET", True, id="exact"),
        pytest.param("domains: [api.openai.com]", "evil.com", b"/", "GET", False, id="another host"),
        pytest.param("domains: [api.openai.com]", "API.OpenAI.com.", b"/", "GET", True, id="another spelling"),
        pytest.param("domains: [api.openai.com]", "api.openai.com:443", b"/", "GET", True, id="with a port"),
        pytest.param("domains: ['*.anthropic.com']", "docs.api.anthropic.com", b"/", "GET", True, id="wildcard"),
        pytest.param("domains: ['*.anthropic.com']", "anthropic.com", b"/", "GET", True, id="wildcard: the domain"),
        pytest.param("domains: ['*.anthropic.com']", "notanthropic.com", b"/", "GET", False, id="wildcard: ends alike"),
        pytest.param(BOTH, "10.0.1.5", b"/", "GET", True, id="CIDR"),
        pytest.param(BOTH, "10.0.1.5:8080", b"/", "GET", True, id="CIDR with a port"),
        pytest.param(BOTH, "192.168.3.4", b"/", "GET", True, id="second CIDR"),
        pytest.param(BOTH, "8.8.8.8", b"/", "GET", False, id="outside the CIDRs"),
        pytest.param(BOTH, "internal.service", b"/", "GET", False, id="a name against CIDRs"),
        pytest.param(BOTH, "api.test", b"/", "GET", True, id="domain beside CIDRs"),
        pytest.param("{}", "api.test", b"/", "GET", False, id="empty"),
        pytest.param("domains: []\nrules: []", "api.test", b"/", "GET", False, id="empty lists"),
        pytest.param("domains: null", "api.test", b"/", "GET", False, id="null"),
        pytest.param(RULES, "flat.test", b"/any", "DELETE", True, id="flat domain is unrestricted"),
        pytest.param(RULES, "api.test", b"/v1/x", "GET", True, id="host, method and path"),
        pytest.param(RULES, "api.test", b"/v1/x", "POST", True, id="post admits POST"),
        pytest.param(RULES, "api.test", b"/v1/x", "DELETE", False, id="wrong method"),
        pytest.param(RULES, "api.test", b"/admin", "GET", False, id="wrong path"),
        pytest.param(RULES, "api.test", b"/%761/x", "GET", True, id="an escaped letter decides as the letter"),
        pytest.param(RULES, "api.test", b"/v1%2Fx", "GET", False, id="encoded slash"),
        pytest.param(RULES, "api.test", b"/v1/a%2Fb", "GET", False, id="encoded slash below"),
        pytest.param(RULES, "flat.test", b"/o/dir%2Ffile", "GET", True, id="encoded slash without path rules"),
        pytest.param(RULES, "10.1.1.1", b"/", "GET", True, id="CIDR with a method"),
        pytest.param(RULES, "10.1.1.1", b"/", "POST", False, id="CIDR with another method"),
        pytest.param(RULES, "a.wild.test:8443", b"/", "GET", True, id="port"),
        pytest.param(RULES, "a.wild.test:22", b"/", "GET", False, id="another port"),
    ],
)
async def test_what_passes(yaml: str, authority: str, raw_path: bytes, method: str, passes: bool) -> None:
    exchange = exchange_for(authority, raw_path, method)

    verdict = await verdict_on(yaml, exchange)

    assert isinstance(verdict, Continue) is passes
    assert (exchange.admission is not None) is passes
    assert exchange.notes == {}


@pytest.mark.parametrize(
    ("authority", "raw_path", "reason"),
    [
        pytest.param("other.test", b"/", "no rule matches the host", id="host"),
        pytest.param("api.test", b"/admin", "a rule matches the host, but not the method and path", id="path"),
        pytest.param("a.wild.test", b"/", "a rule matches the host, but not the port", id="port"),
        pytest.param("api.test", b"/v1//x", "a rule matches the host, but the path is ambiguous", id="ambiguous"),
    ],
)
async def test_a_rejection_says_why(authority: str, raw_path: bytes, reason: str) -> None:
    assert await verdict_on(RULES, exchange_for(authority, raw_path)) == Reject(reason)


async def test_a_tunnel_passes_when_some_request_could() -> None:
    assert await verdict_on(RULES, exchange_for("api.test:443", b"", "CONNECT")) is CONTINUE
    assert await verdict_on(RULES, exchange_for("a.wild.test:8443", b"", "CONNECT")) is CONTINUE


async def test_a_tunnel_that_no_request_could_use_is_rejected_with_the_reason() -> None:
    port = await verdict_on(RULES, exchange_for("a.wild.test:22", b"", "CONNECT"))
    host = await verdict_on(RULES, exchange_for("other.test:443", b"", "CONNECT"))

    assert port == Reject("a rule matches the host, but not the port")
    assert host == Reject("no rule matches the host")


def test_a_target_is_admitted_when_some_request_could_pass() -> None:
    transform = allowlist(RULES)

    assert transform.admits_target(Target("api.test", 443)) is not None
    assert transform.admits_target(Target("a.wild.test", 443)) is None
    assert transform.admits_target(Target("other.test", 443)) is None


def test_a_name_is_admitted_when_any_rule_covers_it_whatever_the_port() -> None:
    transform = allowlist(RULES)

    assert transform.admits_name("api.test")
    assert transform.admits_name("a.wild.test")
    assert not transform.admits_name("other.test")


def test_a_name_is_admitted_for_the_clients_of_its_rules() -> None:
    rule = replace(Rule.for_host("a.test"), clients=frozenset(("ci",)))
    transform = Allowlist([rule])

    assert [transform.admits_name("a.test", client) for client in ("ci", "", "other")] == [True, False, False]


def test_an_allowlist_that_only_warns_admits_every_name() -> None:
    assert allowlist("warn: true").admits_name("any.test")


async def test_the_admission_names_the_first_rule_that_fits_as_it_was_written() -> None:
    exchange = exchange_for("api.test", b"/v1/x")

    await verdict_on(RULES, exchange)

    assert exchange.admission == Admission("api.test methods=[GET, post] paths=[/v1/*, /health]")


@pytest.mark.parametrize(
    ("yaml", "authority", "named"),
    [
        pytest.param("domains: [127.0.0.1]", "127.0.0.1:8080", True, id="an address"),
        pytest.param("domains: ['::1']", "[::1]:8080", True, id="an IPv6 address"),
        pytest.param("domains: [localhost]", "localhost:8080", True, id="localhost"),
        pytest.param("cidrs: [127.0.0.0/8]", "127.0.0.1", True, id="a range"),
        pytest.param("rules: [{cidr: 127.0.0.0/8}]", "127.0.0.1", True, id="a range in a rule"),
        pytest.param("domains: ['*']", "127.0.0.1", False, id="a star"),
        pytest.param("domains: ['*']", "localhost", False, id="a star for localhost"),
        pytest.param("domains: ['*.localhost']", "localhost", False, id="a suffix for localhost"),
        pytest.param("cidrs: [0.0.0.0/0]", "127.0.0.1", False, id="a range of everything"),
        pytest.param("domains: ['*', 127.0.0.1]", "127.0.0.1", True, id="a star above the address hides nothing"),
        pytest.param("domains: ['*']\ncidrs: [127.0.0.0/8]", "127.0.0.1", True, id="a star above the range"),
        pytest.param("domains: ['*']\nrules: [{host: 127.0.0.1, ports: [1]}]", "127.0.0.1", False, id="another port"),
        pytest.param("domains: ['*', 10.0.0.1]", "api.test", False, id="a name"),
    ],
)
async def test_only_a_literal_destination_is_named(yaml: str, authority: str, named: bool) -> None:
    request, tunnel = exchange_for(authority), exchange_for(authority, b"", "CONNECT")

    await verdict_on(yaml, request)
    await verdict_on(yaml, tunnel)

    assert request.admission is not None
    assert request.admission.names_address is named
    assert tunnel.admission is not None
    assert tunnel.admission.names_address is named
    assert allowlist(yaml).admits_target(request.request.target) == tunnel.admission


async def test_a_second_allowlist_keeps_that_the_first_named_the_address() -> None:
    exchange = exchange_for("127.0.0.1")

    await verdict_on("domains: [127.0.0.1]", exchange)
    await verdict_on("domains: ['*']", exchange)

    assert exchange.admission == Admission("*", names_address=True)


# --- warn mode ------------------------------------------------------------------------------------------------------


async def test_warn_mode_forwards_and_notes_what_no_rule_matches() -> None:
    exchange = exchange_for("other.test")

    verdict = await verdict_on(RULES + "warn: true\n", exchange)

    assert verdict is CONTINUE
    assert exchange.notes == {"action": "warn"}
    assert exchange.admission == Admission("allowlist warn: no rule matches the host")


async def test_warn_mode_notes_a_wrong_method_too() -> None:
    exchange = exchange_for("api.test", b"/v1/x", "DELETE")

    await verdict_on(RULES + "warn: true\n", exchange)

    assert exchange.notes == {"action": "warn"}


async def test_warn_mode_notes_nothing_on_a_match() -> None:
    exchange = exchange_for("api.test", b"/v1/x")

    await verdict_on(RULES + "warn: true\n", exchange)

    assert exchange.notes == {}
    assert exchange.admission is not None
    assert "warn" not in exchange.admission.rule


async def test_warn_mode_lets_tunnels_pass_and_names_no_address() -> None:
    exchange = exchange_for("127.0.0.1:22", b"", "CONNECT")
    transform = allowlist("warn: true")

    assert await transform.on_request(exchange) is CONTINUE
    assert exchange.notes == {"action": "warn"}
    assert transform.admits_target(Target("127.0.0.1", 22, is_ip=True)) == exchange.admission
    assert exchange.admission is not None
    assert not exchange.admission.names_address


async def test_warn_mode_leaves_the_admission_of_an_earlier_allowlist_alone() -> None:
    exchange = exchange_for("127.0.0.1")

    await verdict_on("domains: [127.0.0.1]", exchange)
    await verdict_on("warn: true", exchange)

    assert exchange.admission == Admission("127.0.0.1", names_address=True)


def test_warn_mode_is_told_when_it_is_loaded() -> None:
    section = section_of("domains: [a.test]\nwarn: true\n")

    build(section, CONTEXT)

    assert section.problems.warnings == [
        "test.yaml:1: warn: requests that no rule matches are forwarded: the allowlist is not enforced"
    ]


def test_an_allowlist_of_nothing_is_told_when_it_is_loaded() -> None:
    section = section_of("domains: []\n")

    build(section, CONTEXT)

    assert "every request is rejected" in section.problems.warnings[0]


def test_it_follows_the_protocols_and_sees_tunnels() -> None:
    transform = allowlist("domains: [a.test]")

    assert isinstance(transform, RequestTransform)
    assert isinstance(transform, AdmittingTransform)
    assert transform.scopes == {Scope.TUNNEL, Scope.REQUEST}


@pytest.mark.parametrize(
    ("authority", "raw_path", "method", "code"),
    [
        ("x.test", b"/", "GET", "host_not_allowed"),
        ("x.test", b"/", "CONNECT", "host_not_allowed"),
        ("a.wild.test", b"/", "GET", "port_not_allowed"),
        ("a.wild.test", b"/", "CONNECT", "port_not_allowed"),
        ("api.test", b"/v2", "GET", "method_or_path_not_allowed"),
        ("api.test", b"/v1//x", "GET", "ambiguous_path"),
    ],
)
async def test_a_rejection_has_a_code_for_who_asks(authority: str, raw_path: bytes, method: str, code: str) -> None:
    verdict = await verdict_on(RULES, exchange_for(authority, raw_path, method))

    assert isinstance(verdict, Reject)
    assert verdict.code == code


async def test_an_admission_says_where_its_rule_stands() -> None:
    places = []
    for authority in ("flat.test", "api.test", "a.wild.test:8443", "10.1.1.1"):
        exchange = exchange_for(authority, b"/health")
        await verdict_on(RULES, exchange)
        assert exchange.admission is not None
        places.append((exchange.admission.place, exchange.admission.line))

    assert places == [("domains[0]", 2), ("rules[0]", 4), ("rules[1]", 5), ("rules[2]", 6)]


def test_one_that_only_warns_is_not_enforced() -> None:
    assert allowlist("domains: [a.test]").is_enforced
    assert not allowlist("warn: true").is_enforced


async def test_it_can_be_had_with_more_rules_or_observing() -> None:
    first = allowlist("domains: [a.test]")
    more = first.extended([Rule.for_host("b.test")])
    observing = first.extended([], warn_only=True)

    hosts = [Target("a.test", 443), Target("b.test", 443), Target("c.test", 443)]
    admitted = [[each.admits_target(host) is not None for host in hosts] for each in (first, more, observing)]

    assert admitted == [[True, False, False], [True, True, False], [True, True, True]]
    assert [rule.describe() for rule in more.rules] == ["a.test", "b.test"]
    assert observing.extended([]).admits_target(hosts[2]) is not None
