"""The `dns:` block of a file: defaults, checks, and what is told when something is wrong."""

import pytest

from iron_proxy.config.addresses import ResolverAddress
from iron_proxy.config.loading import parse_config
from iron_proxy.config.problems import Problems
from iron_proxy.config.reading import read_config
from iron_proxy.config.schema import Config, DNSRecordConfig

TLS = "tls: {ca_cert: a, ca_key: b}\n"


def read(text: str) -> tuple[Config, Problems]:
    root = parse_config(text, "x")
    return read_config(root, {}), root.problems


def read_dns(keys: str) -> tuple[Config, list[str]]:
    config, problems = read(f"dns:\n  proxy_ip: 10.0.0.1\n{keys}{TLS}")
    return config, problems.errors


def test_the_defaults_intercept_every_name_over_ipv4() -> None:
    config, errors = read_dns("")

    assert errors == []
    assert (config.dns.mode, config.dns.proxy_ip, config.dns.proxy_ip6) == ("intercept", "10.0.0.1", None)
    assert (config.dns.lookups_per_minute, config.dns.records, config.dns.passthrough) == (300, (), ())


def test_another_mode_is_refused() -> None:
    assert read_dns("  mode: strict\n")[0].dns.mode == "strict"
    assert read_dns("  mode: lax\n")[1] == ['x:3: dns.mode: must be one of intercept, strict; got "lax"']


@pytest.mark.parametrize(
    ("text", "limit"), [("60", 60), ("0", 300), ("-1", None)], ids=["a number", "zero", "below zero"]
)
def test_lookups_are_limited_unless_the_number_is_negative(text: str, limit: int | None) -> None:
    assert read_dns(f"  lookups_per_minute: {text}\n")[0].dns.lookups_per_minute == limit


def test_an_ipv6_address_alone_will_do() -> None:
    config, problems = read(f"dns: {{proxy_ip6: 'fd00::1'}}\n{TLS}")

    assert problems.errors == []
    assert (config.dns.proxy_ip, config.dns.proxy_ip6) == (None, "fd00::1")


@pytest.mark.parametrize("text", ["10.0.0.1", "fe80::1%eth0", "host", "fd00::1/64", "[::1]", "::ffff:10.0.0.1"])
def test_the_proxy_ip6_is_ipv6(text: str) -> None:
    _, problems = read(f"dns:\n  proxy_ip6: '{text}'\n{TLS}")

    assert len(problems.errors) == 1
    assert problems.errors[0].startswith("x:2: dns.proxy_ip6: ")


def test_a_text_that_is_too_long_for_a_record_is_refused() -> None:
    assert read_dns(f"  records:\n    - {{name: a, type: TXT, value: {'é' * 2000}}}\n")[1] == []
    assert read_dns(f"  records:\n    - {{name: a, type: TXT, value: {'é' * 2001}}}\n")[1] == [
        "x:4: dns.records[0].value: a TXT record holds at most 4000 bytes here; got 4002"
    ]


def test_dns_that_is_off_needs_no_address() -> None:
    config, problems = read("dns: {enabled: false, listen: x, proxy_ip: y}\ntls: {ca_cert: a, ca_key: b}")

    assert problems.errors == []
    assert (config.dns.enabled, config.dns.listen, config.dns.proxy_ip) == (False, None, None)


@pytest.mark.parametrize("text", ["::1", "10.0.0", "010.0.0.1", "host", "10.0.0.1/8"])
def test_the_proxy_ip_is_ipv4(text: str) -> None:
    _, problems = read(f"dns:\n  proxy_ip: '{text}'\ntls: {{ca_cert: a, ca_key: b}}")

    assert problems.errors == [f'x:2: dns.proxy_ip: invalid proxy_ip (must be IPv4): "{text}"']


def test_the_resolver_is_an_address_with_a_port() -> None:
    config, errors = read_dns("  upstream_resolver: 1.1.1.1:53\n")

    assert errors == []
    assert config.dns.upstream_resolver == ResolverAddress("1.1.1.1", 53)


def test_a_resolver_without_a_port_is_refused() -> None:
    _, errors = read_dns("  upstream_resolver: 1.1.1.1\n")

    assert errors == [
        'x:3: dns.upstream_resolver: "1.1.1.1" is not the address of a resolver; '
        "write ip:port, e.g. 1.1.1.1:53 or [::1]:53"
    ]


def test_passthrough_patterns_are_lower_case_without_a_trailing_dot() -> None:
    config, errors = read_dns('  passthrough: ["*.Internal.CORP.", "metadata.google.internal", "*", "db-[0-9].x"]\n')

    assert errors == []
    assert config.dns.passthrough == ("*.internal.corp", "metadata.google.internal", "*", "db-[0-9].x")


def test_only_ascii_letters_are_lowered() -> None:
    config, errors = read_dns('  passthrough: ["\u212aX.example"]\n')

    assert errors == []
    assert config.dns.passthrough == ("\u212ax.example",)


@pytest.mark.parametrize("pattern", ["", "a b", "https://x.y", "x.y:443", "x.y/z", "a..b", "-x.y", "*.", "[x", "a@b"])
def test_a_passthrough_pattern_that_matches_no_name_is_refused(pattern: str) -> None:
    _, errors = read_dns(f'  passthrough:\n    - ok.example\n    - "{pattern}"\n')

    assert len(errors) == 1
    assert errors[0].startswith(f'x:5: dns.passthrough[1]: "{pattern}": ')


def test_records_are_read_in_canonical_spelling() -> None:
    config, errors = read_dns(
        "  records:\n"
        "    - {name: Internal.Example.com., type: A, value: 10.0.0.5}\n"
        "    - {name: _srv.www.example.com, type: CNAME, value: Web.Example.com.}\n"
        "    - {name: internal.example.com, type: AAAA, value: 'fd00::5'}\n"
        "    - {name: internal.example.com, type: TXT, value: V=spf1 -all}\n"
    )

    assert errors == []
    assert config.dns.records == (
        DNSRecordConfig("internal.example.com", "A", "10.0.0.5"),
        DNSRecordConfig("_srv.www.example.com", "CNAME", "web.example.com"),
        DNSRecordConfig("internal.example.com", "AAAA", "fd00::5"),
        DNSRecordConfig("internal.example.com", "TXT", "V=spf1 -all"),
    )


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("type: A, value: 1.2.3.4", "dns.records[0].name: is required"),
        ("name: a, type: A", "dns.records[0].value: is required"),
        ("name: a, type: MX, value: b", 'dns.records[0].type: must be A or CNAME; got "MX"'),
        ("name: a, type: a, value: b", 'dns.records[0].type: must be A or CNAME; got "a"'),
        ("name: a, value: b", 'dns.records[0].type: must be A or CNAME; got ""'),
        ("name: a, type: A, value: '::1'", 'dns.records[0].value: "::1" is IPv6 and an A record holds IPv4; use'),
        ("name: a, type: AAAA, value: 1.2.3.4", 'dns.records[0].value: "1.2.3.4" is IPv4 and an AAAA record holds'),
        ("name: a, type: AAAA, value: 'fe80::1%eth0'", 'dns.records[0].value: "fe80::1%eth0" is not an IPv6 address'),
        ("name: a, type: TXT, value: ''", "dns.records[0].value: is required"),
        ("name: a, type: A, value: b.c", 'dns.records[0].value: "b.c" is not an IPv4 address; for another name use'),
        ("name: a, type: CNAME, value: 1.2.3.4", 'dns.records[0].value: "1.2.3.4" is an address where a host name'),
        ("name: 1.2.3.4, type: A, value: 1.2.3.4", 'dns.records[0].name: "1.2.3.4" is an address where a host name'),
        ("name: '*.a', type: A, value: 1.2.3.4", 'dns.records[0].name: "*.a" is not a host name'),
        ("name: a b, type: A, value: 1.2.3.4", 'dns.records[0].name: "a b" is not a host name'),
        ("name: é.fr, type: A, value: 1.2.3.4", 'dns.records[0].name: "é.fr" is not a host name'),
        ("name: a, type: A, value: 1.2.3.4, ttl: 5", "dns.records[0].ttl: unknown key"),
    ],
)
def test_a_bad_record_is_told_with_its_place(record: str, message: str) -> None:
    _, errors = read_dns(f"  records:\n    - {{{record}}}\n")

    assert len(errors) == 1
    assert errors[0].startswith(f"x:4: {message}")
