import pytest

from iron_proxy.config.loading import ENVIRONMENT, parse_config
from iron_proxy.config.problems import Problems
from iron_proxy.config.reading import NOT_AVAILABLE, read_config
from iron_proxy.config.schema import Config
from iron_proxy.config.section import Section

MINIMAL = "dns: {proxy_ip: 10.0.0.1}\ntls: {ca_cert: ca.crt, ca_key: ca.key}\n"


def read(text: str, environment: dict[str, str] | None = None) -> tuple[Config, Problems]:
    root = parse_config(text, "x")
    return read_config(root, environment or {}), root.problems


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
