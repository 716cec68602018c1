"""Host patterns and CIDRs over canonical hosts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.matching.host_patterns import CIDRPattern, HostPattern, address_of


@pytest.mark.parametrize(
    ("text", "host", "expected"),
    [
        pytest.param("*.example.com", "foo.example.com", True, id="one label below"),
        pytest.param("*.example.com", "bar.baz.example.com", True, id="any depth below"),
        pytest.param("*.example.com", "example.com", True, id="the domain itself"),
        pytest.param("*.example.com", "notexample.com", False, id="not a name that merely ends alike"),
        pytest.param("*.example.com", "example.com.evil.org", False, id="not a name that begins alike"),
        pytest.param("exact.example.com", "exact.example.com", True, id="exact"),
        pytest.param("exact.example.com", "other.example.com", False, id="exact is exact"),
        pytest.param("exact.example.com", "a.exact.example.com", False, id="exact covers nothing below"),
        pytest.param("*", "anything", True, id="star: a name"),
        pytest.param("*", "1.2.3.4", True, id="star: an address"),
        pytest.param("*", "", True, id="star: the empty host"),
        pytest.param("**", "a.b", True, id="several stars are one"),
        pytest.param("api-*.example.com", "api-eu.example.com", True, id="a star within a label"),
        pytest.param("api-*.example.com", "api-x.y.example.com", True, id="a star crosses dots"),
        pytest.param("a?b.test", "a.b.test", True, id="a question mark crosses dots"),
        pytest.param("node[0-9].test", "node7.test", True, id="a class"),
        pytest.param("node[^0-9].test", "node7.test", False, id="a negated class"),
        pytest.param("API.OpenAI.com", "api.openai.com", True, id="capitals in the pattern"),
        pytest.param("*.OpenAI.com", "api.openai.com", True, id="capitals in a suffix"),
        pytest.param("Node[A-C].test", "nodeb.test", True, id="capitals in a class"),
        pytest.param("example.com.", "example.com", True, id="one trailing dot is removed"),
        pytest.param("*.example.com.", "a.example.com", True, id="one trailing dot is removed from a suffix"),
        pytest.param("api-*.example.com.", "api-1.example.com", True, id="one trailing dot is removed from a glob"),
        pytest.param("bücher.example", "xn--bcher-kva.example", True, id="a U-label is compared as its A-label"),
        pytest.param("*.BÜCHER.example", "a.xn--bcher-kva.example", True, id="a U-label in capitals below a star"),
        pytest.param("apple.test", "xn--pple-43d.test", False, id="a look-alike is another name"),
        pytest.param("127.0.0.1", "127.0.0.1", True, id="an IPv4 address"),
        pytest.param("::1", "::1", True, id="an IPv6 address"),
        pytest.param("[::1]", "::1", True, id="an IPv6 address in brackets"),
        pytest.param("2001:DB8:0::1", "2001:db8::1", True, id="an IPv6 address in another spelling"),
        pytest.param("192.168.1.*", "192.168.1.7", True, id="a glob over an address"),
        pytest.param("_dmarc.example.com", "_dmarc.example.com", True, id="an underscore label"),
    ],
)
def test_a_host_pattern_covers(text: str, host: str, expected: bool) -> None:
    assert HostPattern.parse(text).matches(host) is expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "a host pattern must not be empty", id="empty"),
        pytest.param("https://api.example.com", "a host pattern has no scheme; write api.example.com", id="scheme"),
        pytest.param("https://u@api.example.com:8443/v1", "no scheme; write api.example.com", id="a whole URL"),
        pytest.param("example.com/v1", "no path; write example.com and put the path under paths", id="path"),
        pytest.param("example.com:443", "a host pattern has no port; write example.com", id="port"),
        pytest.param("*.example.com:*", "a host pattern has no port; write *.example.com", id="wildcard port"),
        pytest.param("[::1]:443", "a host pattern has no port; write [::1]", id="IPv6 port"),
        pytest.param("user@example.com", "a host pattern has no user; write example.com", id="user"),
        pytest.param("10.0.0.0/8", "write it under cidr", id="a CIDR as a host"),
        pytest.param(".example.com", "write *.example.com", id="leading dot"),
        pytest.param("*.", "after *. stands a plain name", id="star dot must not become star"),
        pytest.param("**.", "no empty labels", id="two stars and a dot must not become star"),
        pytest.param("*.*.example.com", "it covers any depth already", id="two stars"),
        pytest.param("*.10.0.0.1", "an address has no names below it", id="names below an address"),
        pytest.param("[a-", "] is missing", id="a class without an end"),
        pytest.param("[z-a].test", "the wrong way round", id="a range that runs backwards"),
        pytest.param("a b.test", "no spaces", id="space"),
        pytest.param("a.test\n", "no spaces or control characters", id="newline"),
        pytest.param("a..test", "malformed host", id="empty label"),
        pytest.param("a*..test", "no empty labels", id="empty label in a glob"),
        pytest.param("a.test..", "malformed host", id="two trailing dots"),
        pytest.param("-a.test", "malformed host", id="hyphen first"),
        pytest.param("127.1", "malformed IPv4 address", id="short IPv4"),
        pytest.param("0x7f000001", "malformed IPv4 address", id="hexadecimal IPv4"),
        pytest.param("2130706433", "malformed IPv4 address", id="IPv4 as one number"),
        pytest.param("127.0.0.01", "malformed IPv4 address", id="IPv4 with a leading zero"),
        pytest.param("fe80::1%eth0", "zone identifiers are not accepted", id="zone"),
        pytest.param("example.com:", "malformed IPv6", id="colon at the end"),
        pytest.param("straße.example", "write its A-label form", id="sharp s: IDNA 2003 and 2008 differ"),
        pytest.param("ａpi.example", "write its A-label form", id="fullwidth letter"),
        pytest.param("api。example.com", "write its A-label form", id="ideographic full stop"),
        pytest.param("\u212aey.example", "write its A-label form", id="Kelvin sign lowers to k"),
        pytest.param("☃.example", "write its A-label form", id="symbol"),
        pytest.param("b*ü.example", "write its A-label form", id="a wildcard in a U-label"),
        pytest.param("ü" * 70 + ".example", "write its A-label form", id="a U-label too long for the DNS"),
    ],
)
def test_a_pattern_that_could_not_mean_anything_is_refused_with_its_remedy(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the sentence is compared below, as plain text
        HostPattern.parse(text)

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        pytest.param("*example.com", '"*example.com" also matches evilexample.com; write *.example.com', id="no dot"),
        pytest.param("api.*", '"api.*" also matches api.evil.example; name the whole domain', id="open end"),
        pytest.param("api*.com", "name the whole domain", id="a star within the registered name"),
        pytest.param("ex?mple.com", "cross dots", id="a question mark within the registered name"),
        pytest.param("10.*", "write the range under cidr", id="a range as a glob"),
    ],
)
def test_a_pattern_wider_than_it_looks_loads_with_advice(text: str, advice: str) -> None:
    pattern = HostPattern.parse(text)

    assert pattern.trap is not None
    assert advice in pattern.trap


@pytest.mark.parametrize(
    "text", ["*", "*.com", "*.example.com", "api-*.example.com", "api.example.com", "*api.example.com"]
)
def test_a_pattern_that_is_as_wide_as_it_looks_has_no_advice(text: str) -> None:
    assert HostPattern.parse(text).trap is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("127.0.0.1", True, id="IPv4"),
        pytest.param("[::1]", True, id="IPv6"),
        pytest.param("localhost", True, id="localhost"),
        pytest.param("LOCALHOST.", True, id="localhost in another spelling"),
        pytest.param("*", False, id="star"),
        pytest.param("*.localhost", False, id="below localhost"),
        pytest.param("127.0.0.*", False, id="a glob"),
        pytest.param("api.example.com", False, id="a name"),
    ],
)
def test_only_an_address_or_localhost_is_named_literally(text: str, expected: bool) -> None:
    assert HostPattern.parse(text).names_address is expected


@pytest.mark.parametrize(
    ("text", "host", "expected"),
    [
        pytest.param("10.0.0.0/8", "10.0.1.5", True, id="inside"),
        pytest.param("10.0.0.0/8", "8.8.8.8", False, id="outside"),
        pytest.param("10.0.0.0/8", "internal.service", False, id="a name"),
        pytest.param("10.0.0.0/8", "10.example", False, id="a name that begins like it"),
        pytest.param("10.0.0.0/8", "", False, id="the empty host"),
        pytest.param("10.0.0.0/8", "::ffff:10.0.0.1", True, id="IPv4-mapped host"),
        pytest.param("::ffff:10.0.0.0/104", "10.1.2.3", True, id="IPv4-mapped range"),
        pytest.param("10.9.9.9/8", "10.0.0.1", True, id="host bits are cleared"),
        pytest.param("0.0.0.0/0", "8.8.8.8", True, id="all of IPv4"),
        pytest.param("0.0.0.0/0", "::1", False, id="all of IPv4 is no IPv6"),
        pytest.param("::/0", "8.8.8.8", False, id="all of IPv6 is no IPv4"),
        pytest.param("fd00::/8", "fd12::1", True, id="IPv6"),
        pytest.param("::1/128", "::1", True, id="one IPv6 address"),
        pytest.param("fe80::/10", "fe80::1%eth0", False, id="a zoned address is no host of ours"),
    ],
)
def test_a_cidr_covers_literal_addresses_only(text: str, host: str, expected: bool) -> None:
    assert CIDRPattern.parse(text).matches(host) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.1",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/255.0.0.0",
        "010.0.0.0/8",
        "fe80::1%e/64",
        "x/8",
        "1/8/8",
        "10.0.0.0/٨",
    ],
)
def test_a_malformed_cidr_is_refused_in_upstreams_words(text: str) -> None:
    with pytest.raises(ValueError, match="parsing CIDR") as caught:
        CIDRPattern.parse(text)

    assert str(caught.value).startswith(f'parsing CIDR "{text}": ')


def test_a_range_of_everything_names_no_address() -> None:
    assert CIDRPattern.parse("10.0.0.0/8").names_address
    assert not CIDRPattern.parse("0.0.0.0/0").names_address


def test_an_ipv4_mapped_address_counts_as_ipv4() -> None:
    assert address_of("::ffff:1.2.3.4") == address_of("1.2.3.4") == (4, 0x01020304)


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_a_value_error(text: str) -> None:
    for kind in (HostPattern, CIDRPattern):
        try:
            pattern = kind.parse(text)
        except ValueError:
            continue

        assert pattern.matches("evil.example") in (True, False)
