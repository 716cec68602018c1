"""`dns.records`, by name and type."""

import pytest

from iron_proxy.config.schema import DNSRecordConfig
from iron_proxy.dns.messages import AAAA, ANY, TXT, A, Record, address_record, serialize_name
from iron_proxy.dns.static_records import StaticName, compile_records

NAME = serialize_name("db.test")


def compiled(*entries: tuple[str, str, str]) -> dict[bytes, StaticName]:
    problems: list[str] = []
    names = compile_records([DNSRecordConfig(*entry) for entry in entries], problems)
    assert problems == []
    return names


def test_records_of_one_name_are_kept_by_type_in_their_order() -> None:
    name = compiled(
        ("db.test", "A", "10.0.0.7"), ("DB.test.", "AAAA", "fd00::7"), ("db.test", "A", "10.0.0.8"),
        ("db.test", "TXT", "hello"),
    )[NAME]  # fmt: skip

    assert name.records(A) == [address_record("10.0.0.7"), address_record("10.0.0.8")]
    assert name.records(AAAA, b"\x01a\0") == [address_record("fd00::7", b"\x01a\0")]
    assert name.records(TXT) == [Record(TXT, b"\x05hello")]
    assert name.records(ANY) == name.records(15) == []


@pytest.mark.parametrize("other", [("A", "10.0.0.7"), ("AAAA", "fd00::7"), ("TXT", "hello")])
def test_a_cname_stands_alone_and_the_last_entry_wins(other: tuple[str, str]) -> None:
    alias = ("db.test", "CNAME", "b.test")

    assert compiled(("db.test", *other), alias)[NAME] == StaticName(alias_for=serialize_name("b.test"))
    assert compiled(alias, ("db.test", *other))[NAME].alias_for is None


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (("a.test", "A", "::1"), "dns.records[0].value must be an IPv4 address, for example 10.0.0.7; got"),
        (("a.test", "AAAA", "10.0.0.1"), "dns.records[0].value must be an IPv6 address, for example fd00::7; got"),
        (("a.test", "AAAA", "fe80::1%eth0"), "dns.records[0].value must be an IPv6 address"),
        (("a.test", "MX", "b.test"), "dns.records[0].type must be A, AAAA, CNAME or TXT; got"),
        (("*.test", "A", "10.0.0.7"), "dns.records[0].name must be one host name"),
        (("a.test", "CNAME", "10.0.0.7"), "dns.records[0].value must be one host name"),
        (("a..test", "A", "10.0.0.7"), "dns.records[0].name: "),
    ],
)
def test_a_bad_value_is_named(entry: tuple[str, str, str], problem: str) -> None:
    problems: list[str] = []

    compile_records([DNSRecordConfig(*entry)], problems)

    assert len(problems) == 1
    assert problems[0].startswith(problem)
