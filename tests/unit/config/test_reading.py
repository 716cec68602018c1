import pytest

from iron_proxy.config.addresses import ResolverAddress
from iron_proxy.config.loading import ENVIRONMENT, parse_config
from iron_proxy.config.problems import Problems
from iron_proxy.config.reading import NOT_AVAILABLE, read_config
from iron_proxy.config.schema import Config, DNSRecordConfig
from iron_proxy.config.section import Section

MINIMAL = "dns: {proxy_ip: 10.0.0.1}\ntls: {ca_cert: ca.crt, ca_key: ca.key}\n"


def read(text: str, environment: dict[str, str] | None = None) -> tuple[Config, Problems]:
    root = parse_config(text, "x")
    return read_config(root, environment or {}), root.problems


def read_dns(keys: str) -> tuple[Config, list[str]]:
    config, problems = read(f"dns:\n  proxy_ip: 10.0.0.1\n{keys}tls: {{ca_cert: a, ca_key: b}}\n")
    return config, problems.errors


def test_a_minimal_file_gets_every_default() -> None:
    config, problems = read(MINIMAL)

    assert problems.errors == []
    assert [str(address) for address in (config.dns.listen, config.proxy.http_listen, config.proxy.https_listen)] == [
        ":53",
        ":80",
        ":443",
    ]
    assert config.proxy.tunnel_listen is None
    assert (config.proxy.max_request_body_bytes, config.proxy.max_response_body_bytes) == (1048576, None)
    assert config.proxy.upstream_response_header_timeout == 30.0
    assert config.proxy.upstream_deny_cidrs is None
    assert config.proxy.default_action == "deny"
    assert (config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours) == (1000, 72)
    assert str(config.metrics.listen) == ":9090"
    assert (config.log.level, config.log.audit_schema) == ("info", "seed")


def test_without_a_file_the_schema_defaults_hold() -> None:
    config = read_config(Section(None, "", Problems(ENVIRONMENT)), {"IRON_DNS_PROXY_IP": "10.0.0.1"})

    assert config.proxy == Config().proxy
    assert config.clients == Config().clients
    assert config.metrics == Config().metrics
    assert config.log == Config().log


# --- dns ------------------------------------------------------------------------------------------------------------


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
    )

    assert errors == []
    assert config.dns.records == (
        DNSRecordConfig("internal.example.com", "A", "10.0.0.5"),
        DNSRecordConfig("_srv.www.example.com", "CNAME", "web.example.com"),
    )


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("type: A, value: 1.2.3.4", "dns.records[0].name: is required"),
        ("name: a, type: A", "dns.records[0].value: is required"),
        ("name: a, type: MX, value: b", 'dns.records[0].type: must be A or CNAME; got "MX"'),
        ("name: a, type: a, value: b", 'dns.records[0].type: must be A or CNAME; got "a"'),
        ("name: a, value: b", 'dns.records[0].type: must be A or CNAME; got ""'),
        ("name: a, type: A, value: '::1'", 'dns.records[0].value: "::1" is IPv6 and an A record holds IPv4'),
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


# --- the smaller blocks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["debug", "info", "warn", "error"])
def test_the_log_levels_are_lower_case_words(level: str) -> None:
    config, problems = read(f"{MINIMAL}log: {{level: {level}, audit_schema: v0.46}}")

    assert problems.errors == []
    assert (config.log.level, config.log.audit_schema) == (level, "v0.46")


@pytest.mark.parametrize("level", ["trace", "INFO", "warning"])
def test_another_log_level_is_refused(level: str) -> None:
    _, problems = read(f"{MINIMAL}log: {{level: {level}}}")

    assert problems.errors == [f'x:3: log.level: unknown log level: "{level}" (write one of debug, info, warn, error)']


@pytest.mark.parametrize("key", NOT_AVAILABLE)
def test_a_block_of_a_later_version_is_refused(key: str) -> None:
    _, problems = read(f"{MINIMAL}{key}: {{a: 1}}")

    assert problems.errors == [f"x:3: {key}: not available in this version"]


def test_upstream_tls_at_the_top_is_told_where_it_stands() -> None:
    _, problems = read(f"{MINIMAL}upstream_tls: {{ca_files: [a]}}")

    assert problems.errors == [
        'x:3: upstream_tls: unknown key at the top (it stands under "proxy": proxy.upstream_tls)'
    ]


@pytest.mark.parametrize("key", NOT_AVAILABLE)
def test_an_empty_block_of_a_later_version_asks_for_nothing(key: str) -> None:
    assert read(f"{MINIMAL}{key}:\n")[1].errors == []


# --- transforms and unknown keys ------------------------------------------------------------------------------------


def test_transforms_keep_order_section_and_line() -> None:
    config, problems = read(MINIMAL + "transforms:\n  - name: b\n    config: {x: 1}\n  - name: a\n")

    first, second = config.transforms
    assert problems.errors == []
    assert (first.name, first.line, first.section.path, first.section.text("x")) == (
        "b",
        4,
        "transforms[0].config",
        "1",
    )
    assert (second.name, second.line, second.section.path, second.section.keys()) == (
        "a",
        6,
        "transforms[1].config",
        [],
    )


def test_a_problem_of_a_transform_without_config_has_a_line() -> None:
    config, problems = read(MINIMAL + "transforms:\n  - name: a\n")

    config.transforms[0].section.problem("key", "is required")

    assert problems.errors == ["x:4: transforms[0].config.key: is required"]


def test_bad_entries_of_transforms_are_told() -> None:
    _, problems = read(
        MINIMAL + "transforms:\n  - config: {}\n  - {name: a, confg: {}}\n  - b\n  - {name: c, config: 5}\n"
    )

    assert problems.errors == [
        "x:6: transforms[2]: must be a mapping",
        "x:4: transforms[0].name: is required",
        'x:5: transforms[1].confg: unknown key (did you mean "config"?)',
        "x:7: transforms[3].config: must be a mapping",
    ]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("transform: []", 'transform: unknown key (did you mean "transforms"?)'),
        ("proxy: {http_listne: 1}", 'proxy.http_listne: unknown key (did you mean "http_listen"?)'),
        ("metrics: {listn: 1}", 'metrics.listn: unknown key (did you mean "listen"?)'),
        ("log: {lvel: 1}", 'log.lvel: unknown key (did you mean "level"?)'),
        ("config: {unknown_key: warn}", 'config.unknown_key: unknown key (did you mean "unknown_keys"?)'),
    ],
)
def test_an_unknown_key_is_an_error_with_a_suggestion(yaml: str, message: str) -> None:
    _, problems = read(MINIMAL + yaml)

    assert problems.errors == [f"x:3: {message}"]


def test_unknown_keys_can_be_warnings() -> None:
    _, problems = read(MINIMAL + "config: {unknown_keys: warn}\nnew: 1\nproxy: {newer: 2}\n")

    assert problems.errors == []
    assert problems.warnings == ["x:5: proxy.newer: unknown key", "x:4: new: unknown key"]


def test_another_word_for_unknown_keys_is_refused() -> None:
    _, problems = read(MINIMAL + "config: {unknown_keys: ignore}")

    assert problems.errors == ['x:3: config.unknown_keys: must be one of error, warn; got "ignore"']


@pytest.mark.parametrize("block", ["dns", "proxy", "tls", "metrics", "log", "config"])
def test_a_block_that_is_no_mapping_is_told_once(block: str) -> None:
    _, problems = read(f"{block}: 5")

    assert [error for error in problems.errors if "mapping" in error] == [f"x:1: {block}: must be a mapping"]
