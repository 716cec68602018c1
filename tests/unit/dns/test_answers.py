"""Question to decision: static records, then passthrough, then interception; what each may and may not say."""

from collections.abc import Sequence

import dns.message
import dns.rdatatype
import pytest

from iron_proxy.config.schema import DNSRecordConfig
from iron_proxy.dns.answers import MAX_FORWARDED_NAME, Answer, Decision, Empty, Forward, Intercept, Refused, Zone
from iron_proxy.dns.messages import NXDOMAIN, Query, Tail, build_tail, parse_query, serialize_name, serialize_response
from iron_proxy.errors import ConfigError

IN = 1


def decide(zone: Zone, name: str, record_type: str = "A", record_class: int = IN) -> Decision:
    return zone.decide(serialize_name(name), int(dns.rdatatype.from_text(record_type)), record_class)


def records(decision: Decision, name: str = "q.test") -> list[str]:
    assert isinstance(decision, Answer | Intercept)
    return records_of_tail(decision.tail, name)


def records_of_tail(tail: Tail, name: str) -> list[str]:
    query = parse_query(dns.message.make_query(name, "A").to_wire())
    assert isinstance(query, Query)
    message = dns.message.from_wire(serialize_response(query, 0, tail, 65535))
    return [line for rrset in message.answer for line in rrset.to_text().split("\n")]


def zone_of(*entries: tuple[str, str, str], passthrough: Sequence[str] = ()) -> Zone:
    return Zone("10.0.0.1", [DNSRecordConfig(*entry) for entry in entries], passthrough)


@pytest.mark.parametrize("name", ["example.com", "any.other.name", "1.2.3.4", "x"])
def test_an_a_question_for_any_name_is_intercepted(name: str) -> None:
    decision = decide(zone_of(), name)

    assert isinstance(decision, Intercept)
    assert records(decision, name) == [f"{name}. 60 IN A 10.0.0.1"]


@pytest.mark.parametrize(
    "record_type", ["AAAA", "HTTPS", "SVCB", "TXT", "MX", "SRV", "PTR", "NS", "ANY", "NULL", "CNAME", "SOA"]
)
def test_every_other_type_is_empty(record_type: str) -> None:
    assert decide(zone_of(passthrough=["passed.test"]), "ok.test", record_type) == Empty("intercept")


@pytest.mark.parametrize("record_class", [0, 2, 3, 4, 254, 255], ids=["0", "2", "CH", "HS", "NONE", "ANY"])
def test_a_class_other_than_in_is_refused(record_class: int) -> None:
    assert decide(zone_of(), "version.bind", "TXT", record_class) == Refused("class is not IN")


@pytest.mark.parametrize("record_type", ["AXFR", "IXFR"])
def test_zone_transfers_are_refused(record_type: str) -> None:
    decision = decide(zone_of(("db.test", "A", "10.0.0.7")), "db.test", record_type)

    assert decision == Refused("zone transfers are not served")


@pytest.mark.parametrize(
    ("pattern", "name", "is_passed"),
    [
        ("*.internal.corp", "db.internal.corp", True),
        ("*.internal.corp", "a.b.c.internal.corp", True),
        ("*.internal.corp", "internal.corp", True),
        ("*.internal.corp", "example.com", False),
        ("*.internal.corp", "evilinternal.corp", False),
        ("metadata.google.internal", "metadata.google.internal", True),
        ("*.INTERNAL.Corp", "db.internal.corp", True),
        ("internal.corp.", "internal.corp", True),
        ("*", "1.2.3.4", False),
    ],
)
def test_passthrough_follows_the_host_patterns(pattern: str, name: str, is_passed: bool) -> None:
    decision = decide(zone_of(passthrough=[pattern]), name)

    assert decision == Forward(name, 1) if is_passed else isinstance(decision, Intercept)


@pytest.mark.parametrize(("record_type", "number"), [("A", 1), ("AAAA", 28), ("SVCB", 64), ("HTTPS", 65)])
def test_addresses_and_service_bindings_of_a_passthrough_name_are_forwarded(record_type: str, number: int) -> None:
    assert decide(zone_of(passthrough=["*"]), "ok.test", record_type) == Forward("ok.test", number)


@pytest.mark.parametrize("record_type", ["TXT", "NULL", "CNAME", "ANY", "MX", "SRV", "NS"])
def test_other_types_of_a_passthrough_name_are_empty_without_a_lookup(record_type: str) -> None:
    assert decide(zone_of(passthrough=["*"]), "ok.test", record_type) == Empty("passthrough")


@pytest.mark.parametrize(
    "wire",
    [b"\x10data.passed.test\0", b"\x04da\0a\x06passed\x04test\0", b"\x04d\xe4ta\x06passed\x04test\0", b"\0"],
    ids=["a dot inside a label", "a NUL inside a label", "a byte beyond ASCII", "the root"],
)
def test_what_no_host_is_called_is_never_forwarded(wire: bytes) -> None:
    decision = zone_of(passthrough=["*.passed.test", "*"]).decide(wire, 1, IN)

    assert isinstance(decision, Intercept)


def test_a_static_record_beats_passthrough_and_interception() -> None:
    zone = zone_of(("DB.internal.test.", "A", "10.0.0.7"), passthrough=["*.internal.test"])

    decision = decide(zone, "db.internal.test")

    assert records(decision, "Db.internal.test") == ["Db.internal.test. 60 IN A 10.0.0.7"]


def test_several_records_of_one_name_are_all_answered() -> None:
    zone = zone_of(("db.test", "A", "10.0.0.7"), ("db.test", "A", "10.0.0.8"))

    assert records(decide(zone, "db.test"), "db.test") == ["db.test. 60 IN A 10.0.0.7", "db.test. 60 IN A 10.0.0.8"]


@pytest.mark.parametrize("record_type", ["CNAME", "AAAA", "TXT"])
def test_other_types_of_a_static_a_record_are_empty_even_where_it_would_be_passed(record_type: str) -> None:
    zone = zone_of(("db.test", "A", "10.0.0.7"), passthrough=["*"])

    assert decide(zone, "db.test", record_type) == Empty("static")


def test_a_cname_question_is_answered_by_the_alias_alone() -> None:
    zone = zone_of(("www.test", "CNAME", "db.test"), ("db.test", "A", "10.0.0.7"))

    assert records(decide(zone, "www.test", "CNAME"), "www.test") == ["www.test. 60 IN CNAME db.test."]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("db.test", "A", "10.0.0.7")], ["www.test. 60 IN CNAME db.test.", "db.test. 60 IN A 10.0.0.7"]),
        ([], ["www.test. 60 IN CNAME db.test.", "db.test. 60 IN A 10.0.0.1"]),
        (
            [("db.test", "CNAME", "c.test"), ("c.test", "A", "10.0.0.9")],
            ["www.test. 60 IN CNAME db.test.", "db.test. 60 IN CNAME c.test.", "c.test. 60 IN A 10.0.0.9"],
        ),
        ([("db.test", "CNAME", "www.test")], ["www.test. 60 IN CNAME db.test.", "db.test. 60 IN CNAME www.test."]),
    ],
    ids=["to a static address", "to an intercepted name", "over two aliases", "in a circle"],
)
def test_an_a_question_follows_the_alias(entries: list[tuple[str, str, str]], expected: list[str]) -> None:
    zone = zone_of(("www.test", "CNAME", "db.test"), *entries)

    assert records(decide(zone, "www.test"), "www.test") == expected


def test_an_alias_of_itself_ends() -> None:
    assert records(decide(zone_of(("a.test", "CNAME", "a.test")), "a.test"), "a.test") == [
        "a.test. 60 IN CNAME a.test."
    ]


def test_an_aaaa_question_for_an_alias_of_an_intercepted_name_has_the_alias_only() -> None:
    decision = decide(zone_of(("www.test", "CNAME", "db.test")), "www.test", "AAAA")

    assert records(decision, "www.test") == ["www.test. 60 IN CNAME db.test."]


def test_an_alias_of_a_passthrough_name_is_looked_up_behind_the_alias() -> None:
    zone = zone_of(("www.test", "CNAME", "db.passed.test"), passthrough=["*.passed.test"])

    decision = decide(zone, "www.test")

    assert isinstance(decision, Forward)
    assert (decision.host, decision.owner) == ("db.passed.test", serialize_name("db.passed.test"))
    assert records_of_tail(build_tail(decision.aliases), "www.test") == ["www.test. 60 IN CNAME db.passed.test."]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("a.test", "A", "10.0.0.7"), ("a.test", "CNAME", "b.test")], ["CNAME b.test.", "A 10.0.0.1"]),
        ([("a.test", "CNAME", "b.test"), ("a.test", "A", "10.0.0.7")], ["A 10.0.0.7"]),
    ],
    ids=["a CNAME after an A", "an A after a CNAME"],
)
def test_a_cname_stands_alone_and_the_last_entry_wins(entries: list[tuple[str, str, str]], expected: list[str]) -> None:
    answered = records(decide(zone_of(*entries), "a.test"), "a.test")

    assert [line.partition(" IN ")[2] for line in answered] == expected


def test_an_ipv6_address_of_the_proxy_answers_aaaa() -> None:
    zone = Zone("10.0.0.1", proxy_ip6="fd00::1")

    assert records(decide(zone, "a.test", "AAAA"), "a.test") == ["a.test. 60 IN AAAA fd00::1"]
    assert records(decide(zone, "a.test", "A"), "a.test") == ["a.test. 60 IN A 10.0.0.1"]
    assert decide(zone, "a.test", "HTTPS") == Empty("intercept")


def test_with_ipv6_alone_there_are_no_other_addresses() -> None:
    zone = Zone("", [DNSRecordConfig("www.test", "CNAME", "a.test")], proxy_ip6="fd00::1")

    assert decide(zone, "a.test", "A") == Empty("intercept")
    assert records(decide(zone, "www.test", "AAAA"), "www.test") == [
        "www.test. 60 IN CNAME a.test.", "a.test. 60 IN AAAA fd00::1",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.test", "www.test", "db.test"])
def test_any_is_answered_with_nothing(name: str) -> None:
    """RFC 8482 section 4: whoever is asked for everything may decline; what is not sent cannot be turned on others."""
    zone = zone_of(("www.test", "CNAME", "db.test"), ("db.test", "A", "10.0.0.7"), ("db.test", "TXT", "x" * 1000))

    assert isinstance(decide(zone, name, "ANY"), Empty)


LONG = ".".join(["a" * 40] * 3)


def test_a_long_name_that_a_pattern_lets_through_is_refused() -> None:
    zone = zone_of(passthrough=["*.passed.test", f"{LONG}.exact.test"])
    just_long_enough = f"{LONG}.passed.test"[-MAX_FORWARDED_NAME:].lstrip(".")

    assert decide(zone, just_long_enough) == Forward(just_long_enough, 1)
    assert decide(zone, f"{LONG}.passed.test") == Refused("name longer than 128 characters")
    assert decide(zone, f"{LONG}.passed.test", "TXT") == Empty("passthrough")


def test_a_long_name_that_the_operator_lists_carries_nothing() -> None:
    assert decide(zone_of(passthrough=[f"{LONG}.exact.test"]), f"{LONG}.exact.test") == Forward(f"{LONG}.exact.test", 1)


def test_an_alias_of_a_name_that_is_too_long_is_refused() -> None:
    zone = zone_of(("www.test", "CNAME", f"{LONG}.passed.test"), passthrough=["*.passed.test"])

    assert isinstance(decide(zone, "www.test"), Refused)


# --- strict mode ----------------------------------------------------------------------------------------------------


class Policy:
    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.asked: list[tuple[str, str]] = []

    def __call__(self, host: str, client: str) -> bool:
        self.asked.append((host, client))
        return host in self.hosts


def strict(policy: Policy) -> Zone:
    entries = [DNSRecordConfig("www.test", "CNAME", "elsewhere.test"), DNSRecordConfig("db.test", "A", "10.0.0.7")]
    return Zone("10.0.0.1", entries, ["*.passed.test"], admits=policy)


def test_a_name_that_policy_admits_is_intercepted() -> None:
    policy = Policy("ok.test")

    decision = strict(policy).decide(serialize_name("ok.test"), 1, IN, "192.0.2.7:53")

    assert isinstance(decision, Intercept)
    assert policy.asked == [("ok.test", "192.0.2.7:53")]


@pytest.mark.parametrize("record_type", ["A", "AAAA", "HTTPS", "TXT", "ANY"])
def test_a_name_that_policy_has_no_place_for_does_not_exist_whatever_the_type(record_type: str) -> None:
    decision = decide(strict(Policy("ok.test")), "other.test", record_type)

    assert isinstance(decision, Refused)
    assert (decision.rcode, decision.reason) == (NXDOMAIN, "no rule allows this name")


@pytest.mark.parametrize("wire", [b"\0", b"\x04da\0a\x04test\0"], ids=["the root", "a NUL"])
def test_what_no_host_is_called_does_not_exist_either(wire: bytes) -> None:
    policy = Policy()

    assert isinstance(strict(policy).decide(wire, 1, IN), Refused)
    assert policy.asked == []


def test_records_and_passthrough_are_the_operators_word_and_policy_is_not_asked() -> None:
    policy = Policy()
    zone = strict(policy)

    assert records(decide(zone, "db.test"), "db.test") == ["db.test. 60 IN A 10.0.0.7"]
    assert records(decide(zone, "www.test"), "www.test")[-1] == "elsewhere.test. 60 IN A 10.0.0.1"
    assert decide(zone, "a.passed.test") == Forward("a.passed.test", 1)
    assert decide(zone, "a.passed.test", "TXT") == Empty("passthrough")
    assert policy.asked == []


def test_every_bad_value_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Zone("fd00::1", [DNSRecordConfig("a.test", "A", "::1")], ["http://x.test"], proxy_ip6="10.0.0.1")

    assert caught.value.problems[:2] == [
        'dns.proxy_ip: invalid proxy_ip (must be IPv4): "fd00::1"',
        'dns.proxy_ip6: invalid proxy_ip6 (must be IPv6): "10.0.0.1"',
    ]
    assert [problem.split(" ")[0].rstrip(":") for problem in caught.value.problems[2:]] == [
        "dns.records[0].value", "dns.passthrough[0]",
    ]  # fmt: skip
