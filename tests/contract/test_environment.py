"""The `IRON_*` variables and the outbound proxy's: each overrides one key, and counts as unset when empty."""

from collections.abc import Callable

import pytest

from iron_proxy.config.environment import OVERRIDES
from iron_proxy.config.loading import load_config
from iron_proxy.config.schema import Config
from iron_proxy.errors import ConfigError

FILE = """\
dns: {listen: ":1053", proxy_ip: 10.0.0.1, upstream_resolver: "9.9.9.9:53"}
proxy:
  http_listen: ":1080"
  https_listen: ":1443"
  tunnel_listen: ":1888"
  max_request_body_bytes: 10
  max_response_body_bytes: 20
  upstream_response_header_timeout: 7s
  upstream_proxy: {http_proxy: "file:1", https_proxy: "file:2", no_proxy: .file.test}
tls: {mode: mitm, ca_cert: file.crt, ca_key: file.key, cert_cache_size: 30, leaf_cert_expiry_hours: 40}
metrics: {listen: ":1090"}
management: {listen: ":1092"}
log: {level: warn}
"""

# Variable, a value, and what the configuration then says.
CASES: dict[str, tuple[str, Callable[[Config], object], object]] = {
    "IRON_DNS_ENABLED": ("false", lambda config: config.dns.enabled, False),
    "IRON_DNS_LISTEN": ("127.0.0.1:53", lambda config: str(config.dns.listen), "127.0.0.1:53"),
    "IRON_DNS_PROXY_IP": ("10.9.9.9", lambda config: config.dns.proxy_ip, "10.9.9.9"),
    "IRON_DNS_UPSTREAM_RESOLVER": ("1.1.1.1:53", lambda config: str(config.dns.upstream_resolver), "1.1.1.1:53"),
    "IRON_PROXY_HTTP_LISTEN": (":81", lambda config: str(config.proxy.http_listen), ":81"),
    "IRON_PROXY_HTTPS_LISTEN": (":444", lambda config: str(config.proxy.https_listen), ":444"),
    "IRON_PROXY_TUNNEL_LISTEN": (":8080", lambda config: str(config.proxy.tunnel_listen), ":8080"),
    "IRON_PROXY_MAX_REQUEST_BODY_BYTES": ("2097152", lambda config: config.proxy.max_request_body_bytes, 2097152),
    "IRON_PROXY_MAX_RESPONSE_BODY_BYTES": ("4096", lambda config: config.proxy.max_response_body_bytes, 4096),
    "IRON_PROXY_UPSTREAM_RESPONSE_HEADER_TIMEOUT": (
        "1m30s",
        lambda config: config.proxy.upstream_response_header_timeout,
        90.0,
    ),
    "IRON_TLS_MODE": ("sni-only", lambda config: config.tls.mode, "sni-only"),
    "IRON_TLS_CA_CERT": ("env.crt", lambda config: config.tls.ca_cert, "env.crt"),
    "IRON_TLS_CA_KEY": ("env.key", lambda config: config.tls.ca_key, "env.key"),
    "IRON_TLS_CERT_CACHE_SIZE": ("5", lambda config: config.tls.cert_cache_size, 5),
    "IRON_TLS_LEAF_CERT_EXPIRY_HOURS": ("6", lambda config: config.tls.leaf_cert_expiry_hours, 6),
    "IRON_METRICS_LISTEN": ("127.0.0.1:9", lambda config: str(config.metrics.listen), "127.0.0.1:9"),
    "IRON_MANAGEMENT_LISTEN": ("127.0.0.1:9", lambda config: str(config.management.listen), "127.0.0.1:9"),
    "IRON_LOG_LEVEL": ("debug", lambda config: config.log.level, "debug"),
    "HTTP_PROXY": ("http://env:1", lambda config: config.proxy.upstream_proxy.http_proxy, "http://env:1"),
    "http_proxy": ("http://env:1", lambda config: config.proxy.upstream_proxy.http_proxy, "http://env:1"),
    "HTTPS_PROXY": ("socks5://env:2", lambda config: config.proxy.upstream_proxy.https_proxy, "socks5://env:2"),
    "https_proxy": ("socks5://env:2", lambda config: config.proxy.upstream_proxy.https_proxy, "socks5://env:2"),
    "NO_PROXY": ("*", lambda config: config.proxy.upstream_proxy.no_proxy, "*"),
    "no_proxy": ("*", lambda config: config.proxy.upstream_proxy.no_proxy, "*"),
}


def load(environment: dict[str, str], file: str = FILE) -> Config:
    return load_config("proxy.yaml", environment, lambda path: file.encode())[0]


def problems_of(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(environment)
    return caught.value.problems


def test_every_variable_has_a_case() -> None:
    assert CASES.keys() == {override.variable for override in OVERRIDES}


@pytest.mark.parametrize("variable", CASES)
def test_a_variable_wins_over_the_file(variable: str) -> None:
    text, ask, expected = CASES[variable]

    assert ask(load({variable: text})) == expected


@pytest.mark.parametrize("variable", CASES)
def test_an_empty_variable_leaves_the_file_as_it_is(variable: str) -> None:
    config, plain = load({variable: ""}), load({})

    assert config == plain


def test_the_environment_alone_is_a_whole_configuration() -> None:
    required = {"IRON_DNS_PROXY_IP": "10.0.0.1", "IRON_TLS_CA_CERT": "a", "IRON_TLS_CA_KEY": "b"}

    config, warnings = load_config(None, required)

    assert warnings == []
    assert (config.proxy.max_request_body_bytes, config.proxy.max_response_body_bytes) == (1048576, None)
    assert [str(address) for address in (config.dns.listen, config.proxy.http_listen, config.metrics.listen)] == [
        ":53",
        ":80",
        ":9090",
    ]


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("IRON_DNS_ENABLED", "yes", 'strconv.ParseBool: parsing "yes": invalid syntax'),
        ("IRON_PROXY_MAX_REQUEST_BODY_BYTES", "1_000", 'strconv.ParseInt: parsing "1_000": invalid syntax'),
        ("IRON_PROXY_MAX_REQUEST_BODY_BYTES", "0x10", 'strconv.ParseInt: parsing "0x10": invalid syntax'),
        (
            "IRON_PROXY_MAX_RESPONSE_BODY_BYTES",
            "9223372036854775808",
            'strconv.ParseInt: parsing "9223372036854775808": value out of range',
        ),
        ("IRON_TLS_CERT_CACHE_SIZE", "1.5", 'strconv.Atoi: parsing "1.5": invalid syntax'),
        ("IRON_TLS_LEAF_CERT_EXPIRY_HOURS", "x", 'strconv.Atoi: parsing "x": invalid syntax'),
        ("IRON_PROXY_UPSTREAM_RESPONSE_HEADER_TIMEOUT", "30", 'time: missing unit in duration "30"'),
        ("IRON_PROXY_UPSTREAM_RESPONSE_HEADER_TIMEOUT", "-5s", "must be positive; got -5s"),
        ("IRON_DNS_PROXY_IP", "::1", 'invalid proxy_ip (must be IPv4): "::1"'),
        ("IRON_DNS_UPSTREAM_RESOLVER", "dns", '"dns" is not the address of a resolver'),
        ("IRON_PROXY_HTTP_LISTEN", "80", '"80" is not a listen address; write ":80" to listen on all interfaces'),
        ("IRON_LOG_LEVEL", "trace", 'unknown log level: "trace"'),
        ("IRON_TLS_MODE", "hybrid", 'must be "mitm" or "sni-only"; got "hybrid"'),
        ("HTTP_PROXY", "ftp://p", "the scheme of the proxy's URL must be http, https, socks5 or socks5h"),
        ("https_proxy", "http://p:0", "the proxy's URL has no valid host and port"),
        ("NO_PROXY", "-a", 'the entry "-a" of no_proxy is none of'),
        ("IRON_MANAGEMENT_LISTEN", "9092", '"9092" is not a listen address; write ":9092" to listen on all interfaces'),
        ("IRON_CONTROL_PLANE_POLL_INTERVAL", "10s", "not available in this version"),
        ("IRON_PROXY_TOKEN", "t-0", "not available in this version"),
    ],
)
def test_a_bad_value_is_told_under_the_name_of_the_variable(variable: str, text: str, message: str) -> None:
    (problem,) = problems_of({variable: text})

    assert problem.startswith(f"environment: {variable}: {message}")


def test_a_bad_value_does_not_hide_the_others() -> None:
    problems = problems_of({"IRON_DNS_ENABLED": "x", "IRON_LOG_LEVEL": "y", "IRON_TLS_CERT_CACHE_SIZE": "z"})

    assert len(problems) == 3


@pytest.mark.parametrize("text", ["0", "-1"])
def test_zero_and_negative_limits_mean_the_same_as_in_the_file(text: str) -> None:
    config = load({"IRON_PROXY_MAX_REQUEST_BODY_BYTES": text})

    assert config.proxy.max_request_body_bytes == (1048576 if text == "0" else None)


def test_a_listener_can_be_switched_off() -> None:
    assert load({"IRON_PROXY_HTTPS_LISTEN": "off", "IRON_METRICS_LISTEN": "off"}).metrics.listen is None


def test_upper_case_counts_before_lower_case_and_each_variable_for_itself() -> None:
    config = load({"HTTPS_PROXY": "upper:1", "https_proxy": "lower:1", "no_proxy": "lower.test"})

    proxy = config.proxy.upstream_proxy
    assert (proxy.http_proxy, proxy.https_proxy, proxy.no_proxy) == ("file:1", "upper:1", "lower.test")
