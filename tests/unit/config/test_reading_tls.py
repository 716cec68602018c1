import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.problems import Problems
from iron_proxy.config.reading import read_config
from iron_proxy.config.schema import UNLIMITED, Config, UpstreamTLSConfig, UpstreamTLSHostConfig

PLACE = "proxy.upstream_tls"


def read(text: str) -> tuple[Config, Problems]:
    root = parse_config(text, "x")
    return read_config(root, {}), root.problems


def read_tls(keys: str) -> tuple[Config, Problems]:
    return read(f"dns: {{enabled: false}}\ntls:\n  ca_cert: a\n  ca_key: b\n  {keys}\n")


def read_upstream_tls(keys: str) -> tuple[UpstreamTLSConfig, list[str]]:
    config, problems = read(f"dns: {{enabled: false}}\ntls: {{ca_cert: a, ca_key: b}}\nproxy:\n  upstream_tls:\n{keys}")
    return config.proxy.upstream_tls, problems.errors


# --- tls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "size", "hours"),
    [
        ("cert_cache_size: 0, leaf_cert_expiry_hours: 0", 1000, 72),
        ("cert_cache_size: -1", UNLIMITED, 72),
        ("cert_cache_size: 5, leaf_cert_expiry_hours: 1", 5, 1),
    ],
    ids=["zero is the default", "negative is unlimited", "given"],
)
def test_the_numbers_of_tls(keys: str, size: int, hours: int) -> None:
    config, problems = read(f"dns: {{enabled: false}}\ntls: {{ca_cert: a, ca_key: b, {keys}}}")

    assert problems.errors == []
    assert (config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours) == (size, hours)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("mode: hybrid", 'tls.mode: must be "mitm" or "sni-only"; got "hybrid"'),
        ("leaf_cert_expiry_hours: -1", "tls.leaf_cert_expiry_hours: must be at least 0; got -1"),
        ("leaf_cert_expiry_hours: 876001", "tls.leaf_cert_expiry_hours: must be at most 876000; got 876001"),
        ("passthrough: a.test", "tls.passthrough: must be a list of strings"),
        ("passthrough: ['a.test:443']", 'tls.passthrough[0]: "a.test:443": not a host pattern; write a name'),
        ("pasthrough: [a.test]", 'tls.pasthrough: unknown key (did you mean "passthrough"?)'),
    ],
)
def test_bad_values_of_tls_are_told(key: str, message: str) -> None:
    _, problems = read_tls(key)

    assert len(problems.errors) == 1
    assert problems.errors[0].startswith(f"x:5: {message}")


def test_passthrough_patterns_are_lower_case_without_a_trailing_dot() -> None:
    config, problems = read_tls('passthrough: ["*.Pinned.test.", "bank.test"]')

    assert (problems.errors, problems.warnings) == ([], [])
    assert config.tls.passthrough == ("*.pinned.test", "bank.test")


@pytest.mark.parametrize("pattern", ["*", "*bank.test", "api.*", "*.*.test", "db-[0-9].test", "a?.test"])
def test_a_wide_passthrough_pattern_loads_with_a_warning(pattern: str) -> None:
    config, problems = read_tls(f'passthrough: [a.test, "{pattern}"]')

    assert problems.errors == []
    assert config.tls.passthrough == ("a.test", pattern)
    assert problems.warnings == [
        f'x:5: tls.passthrough[1]: "{pattern}" may fit more hosts than it seems, and what they are sent is not seen; '
        "write *.NAME"
    ]


# --- upstreams ------------------------------------------------------------------------------------------------------


def test_upstream_tls_is_read_whole() -> None:
    config, errors = read_upstream_tls(
        "    ca_files: [/etc/corp.pem]\n"
        '    min_version: "1.3"\n'
        "    client_cert: c.crt\n"
        "    client_key: c.key\n"
        "    hosts:\n"
        "      - {host: '*.Corp.test', ca_files: [a.pem, b.pem], system_roots: false, min_version: '1.2'}\n"
        "      - {host: api.test., client_cert: d.crt, client_key: d.key}\n"
        "      - {host: '2001:db8::1'}\n"
    )

    assert errors == []
    assert config == UpstreamTLSConfig(
        ("/etc/corp.pem",),
        "1.3",
        "c.crt",
        "c.key",
        (
            UpstreamTLSHostConfig("*.corp.test", ("a.pem", "b.pem"), False, None, None, "1.2"),
            UpstreamTLSHostConfig("api.test", (), True, "d.crt", "d.key", "1.3"),
            UpstreamTLSHostConfig("2001:db8::1", min_version="1.3"),
        ),
    )


@pytest.mark.parametrize("yaml", ["1.2", "'1.3'"])
def test_a_version_may_stand_without_quotes(yaml: str) -> None:
    config, errors = read_upstream_tls(f"    min_version: {yaml}\n")

    assert errors == []
    assert config.min_version == yaml.strip("'")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("min_version: '1.1'", '.min_version: must be one of 1.2, 1.3; got "1.1"'),
        ("client_cert: a", ".client_cert: needs client_key beside it"),
        ("client_key: a", ".client_key: needs client_cert beside it"),
        ("ca_files: ['']", ".ca_files[0]: must be the path of a PEM file"),
        ("ca_files: a.pem", ".ca_files: must be a list of strings"),
        ("ca_file: a.pem", '.ca_file: unknown key (did you mean "ca_files"?)'),
        ("hosts: [{ca_files: [a]}]", ".hosts[0].host: is required"),
        ("hosts: [{host: 'https://a'}]", '.hosts[0].host: "https://a": not a host pattern'),
        ("hosts: [{host: 'a:443'}]", '.hosts[0].host: "a:443": not a host pattern'),
        ("hosts: [{host: '*.'}]", '.hosts[0].host: "*.": not a host name'),
        ("hosts: [{host: a, client_key: k}]", ".hosts[0].client_key: needs client_cert beside it"),
        ("hosts: [{host: a, min_version: 1.0}]", '.hosts[0].min_version: must be one of 1.2, 1.3; got "1.0"'),
        ("hosts: [{host: a, system_roots: false}]", ".hosts[0].system_roots: without ca_files no certificate could"),
        ("hosts: [{host: a}, {host: A.}]", '.hosts[1].host: "a" has an entry above, and only the first one counts'),
        ("hosts: [{host: a, verify: false}]", ".hosts[0].verify: unknown key"),
    ],
)
def test_bad_values_of_upstream_tls_are_told_with_their_place(keys: str, message: str) -> None:
    _, errors = read_upstream_tls(f"    {keys}\n")

    assert len(errors) == 1
    assert errors[0].startswith(f"x:5: {PLACE}{message}")
