"""The kinds themselves; what each key makes of them is in the tests of the readers."""

import ipaddress

import pytest

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.loading import parse_config
from iron_proxy.config.section import Section
from iron_proxy.config.value_kinds import (
    host_pattern,
    host_patterns,
    is_address,
    listen,
    listen_or_off,
    lower,
    parse_cidr,
    parse_name,
)


def section_of(yaml: str) -> Section:
    return parse_config(yaml, "x")


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [("key: off", None), ("key: ':1'", ListenAddress("", 1, ":1")), ("key:", ListenAddress("", 2, ":2"))],
    ids=["off", "given", "absent"],
)
def test_a_listener_may_be_off(yaml: str, expected: ListenAddress | None) -> None:
    section = section_of(yaml)

    assert listen_or_off(section, "key", ":2") == expected
    assert section.problems.errors == []


def test_where_a_listener_must_be_off_is_no_address() -> None:
    section = section_of("key: off")

    assert listen(section, "key", ":2") is None
    assert len(section.problems.errors) == 1


def test_a_cidr_loses_its_host_bits() -> None:
    assert parse_cidr(" 10.1.2.3/8 ") == ipaddress.ip_network("10.0.0.0/8")


@pytest.mark.parametrize("text", ["", "10.0.0.1", "10.0.0.0/255.0.0.0", "fe80::1%eth0/64", "10.0.0.0/08"])
def test_what_is_no_cidr_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="CIDR"):
        parse_cidr(text)


def test_patterns_are_told_by_their_index() -> None:
    section = section_of("key:\n  - '*.OK.test.'\n  - 'a b'\n")

    assert host_patterns(section, "key") == ["*.ok.test", "a b"]
    assert [error.partition(": not")[0] for error in section.problems.errors] == ['x:3: key[1]: "a b"']


@pytest.mark.parametrize(
    ("text", "expected"),
    [("A.test.", "a.test"), ("*.B.test", "*.b.test"), ("*", "*"), ("192.0.2.1", "192.0.2.1"), ("fd00::1", "fd00::1")],
)
def test_one_pattern_is_a_name_a_glob_or_an_address(text: str, expected: str) -> None:
    section = section_of(f"key: '{text}'")

    assert host_pattern(section, "key") == expected
    assert section.problems.errors == []


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("key: ''", "x:1: key: is required"),
        ("key: 'a..b'", 'x:1: key: "a..b": not a host name'),
        ("key: '[fd00::1]'", 'x:1: key: "[fd00::1]": not a host pattern; write'),
        ("key: '[x'", 'x:1: key: "[x": '),
    ],
)
def test_what_is_no_pattern_is_told(yaml: str, message: str) -> None:
    section = section_of(yaml)

    host_pattern(section, "key")

    assert len(section.problems.errors) == 1
    assert section.problems.errors[0].startswith(message)


def test_only_ascii_letters_are_lowered() -> None:
    assert lower("A\u212aZ") == "a\u212az"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("WWW.Test.", ("www.test", False)), ("10.0.0.1", ("10.0.0.1", True)), ("a b", None), ("é.test", None)],
)
def test_a_name_is_read_in_canonical_spelling(text: str, expected: tuple[str, bool] | None) -> None:
    assert parse_name(text) == expected


def test_an_address_is_of_its_kind() -> None:
    assert is_address("10.0.0.1", ipaddress.IPv4Address)
    assert not is_address("::1", ipaddress.IPv4Address)
    assert is_address("::1", ipaddress.IPv6Address)
