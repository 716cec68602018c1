"""The keys, defaults and messages that a file written for upstream relies on (docs: reference/configuration)."""

import pytest

from iron_proxy.config.loading import load_config
from iron_proxy.config.schema import Config
from iron_proxy.errors import ConfigError

DNS = "dns: {proxy_ip: 10.16.0.1}\n"
TLS = "tls: {ca_cert: /etc/iron-proxy/ca.crt, ca_key: /etc/iron-proxy/ca.key}\n"
MINIMAL = DNS + TLS

# The complete shape that the project's description prints, comments included.
FULL_EXAMPLE = """\
dns:
  listen: ":53"
  proxy_ip: "10.16.0.1"       # where iron-proxy is running (required)
  passthrough:                # domains forwarded to the OS resolver
    - "*.internal.corp"
    - "metadata.google.internal"
  records:                    # static records, highest precedence
    - name: "internal.example.com"
      type: A
      value: "10.0.0.5"

proxy:
  http_listen: ":80"
  https_listen: ":443"
  tunnel_listen: ":8080"
  max_request_body_bytes: 1048576
  max_response_body_bytes: 0

tls:
  ca_cert: "/etc/iron-proxy/ca.crt"
  ca_key: "/etc/iron-proxy/ca.key"
  cert_cache_size: 1000
  leaf_cert_expiry_hours: 72

transforms:
  - name: allowlist
    config:
      domains:
        - "api.openai.com"
        - "*.anthropic.com"
      cidrs:
        - "10.0.0.0/8"
  - name: secrets
    config:
      source: env
      secrets:
        - var: OPENAI_API_KEY
          proxy_value: "proxy-token-123"
          match_headers: ["Authorization"]
          match_body: false
          require: true
          hosts:
            - name: "api.openai.com"

log:
  level: "info"
"""


def load(text: str) -> Config:
    config, warnings = load_config("proxy.yaml", {}, lambda path: text.encode())
    assert warnings == []
    return config


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return caught.value.problems


def test_the_full_example_loads_with_its_meaning() -> None:
    config = load(FULL_EXAMPLE)

    assert (config.dns.enabled, config.dns.proxy_ip) == (True, "10.16.0.1")
    assert config.dns.passthrough == ("*.internal.corp", "metadata.google.internal")
    assert [(record.name, record.type, record.value) for record in config.dns.records] == [
        ("internal.example.com", "A", "10.0.0.5")
    ]
    assert [str(address) for address in (config.dns.listen, config.proxy.http_listen, config.proxy.https_listen)] == [
        ":53",
        ":80",
        ":443",
    ]
    assert str(config.proxy.tunnel_listen) == ":8080"
    assert (config.proxy.max_request_body_bytes, config.proxy.max_response_body_bytes) == (1048576, None)
    assert (config.tls.ca_cert, config.tls.ca_key) == ("/etc/iron-proxy/ca.crt", "/etc/iron-proxy/ca.key")
    assert (config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours) == (1000, 72)
    assert [transform.name for transform in config.transforms] == ["allowlist", "secrets"]
    assert config.transforms[0].section.texts("domains") == ["api.openai.com", "*.anthropic.com"]
    assert config.log.level == "info"


@pytest.mark.parametrize(
    "yaml",
    [
        "dns: {enabled: true, listen: ':53', proxy_ip: 1.2.3.4, upstream_resolver: '1.1.1.1:53', passthrough: [], "
        "records: []}\n" + TLS,
        "dns: {enabled: false}\n" + TLS,
        "dns: {enabled: no}\n" + TLS,
        MINIMAL + "proxy: {http_listen: ':80', https_listen: ':443', tunnel_listen: '', upstream_deny_cidrs: [], "
        "upstream_response_header_timeout: 30s}\n",
        DNS + "tls: {mode: mitm, ca_cert: a, ca_key: b, cert_cache_size: 0x10, leaf_cert_expiry_hours: 0}\n",
        MINIMAL + "metrics: {listen: '127.0.0.1:0'}\n",
        MINIMAL + "log: {level: debug}\n",
        MINIMAL + "transforms:\n",
        MINIMAL + "mcp:\nmcp_gateway:\npostgres:\nmanagement:\ncontrol_plane:\n",
        MINIMAL + "proxy:\nmetrics:\nlog:\nclients:\n",
        DNS + "tls: {mode: sni-only}\n",
        MINIMAL + "proxy: {upstream_proxy: {http_proxy: 'http://p:1', https_proxy: 'socks5://p:2', no_proxy: '*'}}\n",
        MINIMAL + "proxy: {upstream_tls: {ca_files: [a], hosts: [{host: '*.corp', min_version: '1.3'}]}}\n",
        MINIMAL + "proxy: {http2: off, upgrades: [tcp], websocket_idle_timeout: 1m, websocket_max_duration: 8h}\n",
        MINIMAL + "proxy: {drain_delay: 5s}\n",
        MINIMAL + "clients: [{name: ci, cidrs: [10.0.0.0/8]}]\nproxy: {require_client: true}\n",
    ],
    ids=[
        "dns",
        "dns off",
        "dns off in the words of YAML 1.1",
        "proxy",
        "tls",
        "metrics",
        "log",
        "no transforms",
        "later blocks left empty",
        "empty blocks",
        "sni-only without a CA",
        "an outbound proxy",
        "upstream TLS",
        "HTTP/2 and upgrades",
        "a delay of the drain",
        "clients",
    ],
)
def test_every_key_of_this_version_is_accepted(yaml: str) -> None:
    load(yaml)


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        (TLS, "proxy.yaml:1: dns.proxy_ip: is required"),
        (DNS, "proxy.yaml:1: tls.ca_cert: is required"),
        (MINIMAL + "log: {level: trace}", 'proxy.yaml:3: log.level: unknown log level: "trace"'),
        (
            "dns: {proxy_ip: 1.2.3.4, records: [{name: a, type: MX, value: b}]}\n" + TLS,
            'proxy.yaml:1: dns.records[0].type: must be A or CNAME; got "MX"',
        ),
        (
            "dns: {proxy_ip: 1.2.3.4, records: [{type: A, value: 1.2.3.4}]}\n" + TLS,
            "proxy.yaml:1: dns.records[0].name: is required",
        ),
        (
            "dns: {proxy_ip: 1.2.3.4, records: [{name: a, type: A}]}\n" + TLS,
            "proxy.yaml:1: dns.records[0].value: is required",
        ),
        ("dns: {proxy_ip: '::1'}\n" + TLS, 'proxy.yaml:1: dns.proxy_ip: invalid proxy_ip (must be IPv4): "::1"'),
        (
            DNS + "tls: {mode: hybrid, ca_cert: a, ca_key: b}",
            'proxy.yaml:2: tls.mode: must be "mitm" or "sni-only"; got "hybrid"',
        ),
        (
            MINIMAL + "proxy: {upstream_response_header_timeout: -5s}",
            "proxy.yaml:3: proxy.upstream_response_header_timeout: must be positive; got -5s",
        ),
        (
            MINIMAL + "proxy: {upstream_response_header_timeout: not-a-duration}",
            'proxy.yaml:3: proxy.upstream_response_header_timeout: time: invalid duration "not-a-duration"',
        ),
        (
            MINIMAL + "proxy: {upstream_deny_cidrs: [1.2.3.4]}",
            'proxy.yaml:3: proxy.upstream_deny_cidrs[0]: invalid CIDR "1.2.3.4": must be CIDR notation, '
            "e.g. 1.2.3.4/32 or ::1/128",
        ),
        (
            MINIMAL + "proxy: {max_request_body_bytes: '5'}",
            "proxy.yaml:3: proxy.max_request_body_bytes: must be a whole number",
        ),
        (
            MINIMAL + "proxy: {http_listen: ':99999'}",
            'proxy.yaml:3: proxy.http_listen: ":99999" is not a listen address; a port is at most 65535',
        ),
        (MINIMAL + "transform: []", 'proxy.yaml:3: transform: unknown key (did you mean "transforms"?)'),
        (MINIMAL + "dns: {}", "proxy.yaml:3: dns: duplicate key (first on line 1)"),
        ("{{{", "proxy.yaml:1: parsing config: "),
        ("", "proxy.yaml: parsing config: EOF"),
    ],
)
def test_messages_name_the_place_and_keep_the_known_words(yaml: str, problem: str) -> None:
    problems = problems_of(yaml)

    assert any(told.startswith(problem) for told in problems), problems


def test_all_problems_are_told_in_one_run() -> None:
    problems = problems_of(
        "dns: {proxy_ip: x, listen: 53}\nproxy: {http_listne: a}\ntls: {ca_cert: c}\nlog: {level: loud}\n"
    )

    assert [problem.split(": ")[1] for problem in problems] == [
        "dns.listen",
        "dns.proxy_ip",
        "proxy.http_listne",
        "log.level",
        "tls.ca_key",
    ]


@pytest.mark.parametrize(
    "yaml",
    [
        "control_plane: {poll_interval: 10s}",
        "mcp: {servers: []}",
        "mcp_gateway: {listen: a}",
        "postgres: {listen: a}",
    ],
)
def test_what_a_later_version_serves_is_refused_and_not_ignored(yaml: str) -> None:
    problems = problems_of(DNS + yaml)

    assert any("not available in this version" in problem for problem in problems), problems
