"""docs/reference/differences-from-upstream.md: what it calls served is served, and what it calls missing is refused."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.docs.pages import ROOT, code_spans, mentions, text_of

from iron_proxy.cli import generate_ca, main, serve
from iron_proxy.config.environment import NOT_AVAILABLE, OVERRIDES
from iron_proxy.config.loading import examine_config
from iron_proxy.config.schema import Config
from iron_proxy.go_compat.flags import FlagSet
from iron_proxy.runtime.assemble import build_pipeline
from iron_proxy.secret_sources.registry import BUILDERS, LATER_TYPES
from iron_proxy.transforms.registry import BUILT_IN, NOT_YET

PAGE = text_of("docs/reference/differences-from-upstream.md")
MISSING = "not available in this version"

# Upstream's names, as its v0.46 has them; `python` is ours.
UPSTREAM_TRANSFORMS = {
    "allowlist", "annotate", "aws_auth", "body_capture", "gcp_auth", "gcp_id_token", "grpc", "header_allowlist",
    "hmac_sign", "judge", "oauth_token", "secrets",
}  # fmt: skip
UPSTREAM_SOURCES = {
    "AWS": {"aws_sm", "aws_ssm"}, "1Password": {"1password", "1password_connect"}, "Vault": {"vault"},
    "the control plane": {"control_plane"},
}  # fmt: skip
UPSTREAM_VARIABLES = {
    "IRON_DNS_ENABLED", "IRON_DNS_LISTEN", "IRON_DNS_PROXY_IP", "IRON_DNS_UPSTREAM_RESOLVER", "IRON_PROXY_HTTP_LISTEN",
    "IRON_PROXY_HTTPS_LISTEN", "IRON_PROXY_TUNNEL_LISTEN", "IRON_PROXY_MAX_REQUEST_BODY_BYTES",
    "IRON_PROXY_MAX_RESPONSE_BODY_BYTES", "IRON_PROXY_UPSTREAM_RESPONSE_HEADER_TIMEOUT", "IRON_TLS_MODE",
    "IRON_TLS_CA_CERT", "IRON_TLS_CA_KEY", "IRON_TLS_CERT_CACHE_SIZE", "IRON_TLS_LEAF_CERT_EXPIRY_HOURS",
    "IRON_METRICS_LISTEN", "IRON_MANAGEMENT_LISTEN", "IRON_LOG_LEVEL",
}  # fmt: skip
RULES = [{"host": "*.example.com", "methods": ["GET"], "paths": ["/v1/*"]}, {"cidr": "10.0.0.0/8"}]
UPSTREAM_KEYS: dict[str, Any] = {
    "dns": {
        "enabled": True, "listen": ":53", "proxy_ip": "10.16.0.1", "upstream_resolver": "9.9.9.9:53",
        "passthrough": ["*.internal.corp"],
        "records": [
            {"name": "a.example.com", "type": "A", "value": "10.0.0.5"},
            {"name": "b.example.com", "type": "CNAME", "value": "a.example.com"},
        ],
    },
    "proxy": {
        "http_listen": ":80", "https_listen": ":443", "tunnel_listen": ":8080", "max_request_body_bytes": 2097152,
        "max_response_body_bytes": 4096, "upstream_response_header_timeout": "1m30s",
        "upstream_deny_cidrs": ["10.9.0.0/16"],
        "upstream_proxy": {
            "http_proxy": "http://proxy.example:3128", "https_proxy": "socks5://proxy.example:1080",
            "no_proxy": ".internal.corp",
        },
    },
    "tls": {
        "mode": "mitm", "ca_cert": "ca.crt", "ca_key": "ca.key", "cert_cache_size": 10, "leaf_cert_expiry_hours": 24,
    },
    "metrics": {"listen": ":9090"},
    "management": {"listen": "127.0.0.1:9092", "api_key_env": "KEY"},
    "log": {"level": "debug"},
    "transforms": [
        {
            "name": "allowlist",
            "config": {"domains": ["*.example.com"], "cidrs": ["10.0.0.0/8"], "rules": RULES, "warn": True},
        },
        {"name": "annotate", "config": {"annotations": [{"rules": RULES, "headers": ["X-Request-Id"]}]}},
        {"name": "header_allowlist", "config": {"headers": ["Accept", "/^X-Trace-.*$/"], "rules": RULES}},
        {"name": "body_capture", "config": {"max_request_body_bytes": 1024, "rules": RULES}},
        {
            "name": "secrets",
            "config": {
                "secrets": [
                    {
                        "source": {"type": "env", "var": "KEY", "json_key": "a"},
                        "replace": {
                            "proxy_value": "token-one", "match_headers": ["Authorization"], "match_body": True,
                            "match_path": True, "match_query": True, "require": True,
                        },
                        "rules": RULES,
                    },
                    {
                        "source": {"type": "file", "path": "/run/key", "ttl": "15m", "failure_ttl": "1m"},
                        "inject": {"header": "X-Key", "formatter": "Bearer {{.Value}}", "require": True},
                        "rules": RULES,
                    },
                    {
                        "source": {"type": "env", "var": "KEY"}, "inject": {"query_param": "key"}, "rules": RULES,
                    },
                    {
                        "source": {"type": "env", "var": "KEY"}, "proxy_value": "token-two",
                        "match_headers": ["Authorization"], "match_body": True, "require": False, "rules": RULES,
                    },
                ]
            },
        },
    ],
}  # fmt: skip


def loaded(configuration: dict[str, Any]) -> tuple[Config, list[str], list[str]]:
    """With the errors and warnings of the file and of its transforms."""
    text = json.dumps(configuration).encode()
    config, problems = examine_config("proxy.yaml", {"KEY": "k" * 64}, lambda path: text)
    build_pipeline(config, {"KEY": "k" * 64})
    return config, problems.errors, problems.warnings


def section(heading: str) -> str:
    """The text below a heading, up to the next one."""
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


# --- what is served -------------------------------------------------------------------------------------------------


def test_every_key_of_upstream_is_served() -> None:
    config, errors, _ = loaded(UPSTREAM_KEYS)

    assert errors == []
    assert [each.name for each in config.transforms] == [
        "allowlist",
        "annotate",
        "header_allowlist",
        "body_capture",
        "secrets",
    ]


def test_the_keys_have_the_defaults_of_upstream() -> None:
    config, errors, _ = loaded({"dns": {"proxy_ip": "10.0.0.1"}, "tls": {"ca_cert": "a", "ca_key": "b"}})

    assert errors == []
    assert [str(each) for each in (config.dns.listen, config.proxy.http_listen, config.proxy.https_listen,
                                   config.metrics.listen)] == [":53", ":80", ":443", ":9090"]  # fmt: skip
    assert (config.proxy.tunnel_listen, config.management.listen) == (None, None)
    assert (config.proxy.max_request_body_bytes, config.proxy.max_response_body_bytes) == (1048576, None)
    assert (config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours) == (1000, 72)
    assert (config.proxy.upstream_response_header_timeout, config.tls.mode, config.log.level) == (30.0, "mitm", "info")


@pytest.mark.parametrize("block", [*UPSTREAM_KEYS, *("mcp", "mcp_gateway", "postgres", "control_plane")])
def test_the_table_has_every_block_of_upstream(block: str) -> None:
    assert mentions(section("Configuration"), block)


def test_the_variables_of_upstream_have_the_same_names() -> None:
    assert {each.variable for each in OVERRIDES if each.variable.startswith("IRON_")} == UPSTREAM_VARIABLES


# --- what is missing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", ["mcp", "mcp_gateway", "postgres", "control_plane"])
def test_a_block_that_is_missing_is_refused(block: str) -> None:
    _, errors, _ = loaded({**UPSTREAM_KEYS, block: {}})

    assert errors == [f"proxy.yaml:1: {block}: {MISSING}"]


def test_transforms_are_either_served_or_named_as_missing() -> None:
    assert set(NOT_YET) == UPSTREAM_TRANSFORMS - BUILT_IN.keys()
    served = "`transforms`: " + ", ".join(f"`{name}`" for name in sorted(UPSTREAM_TRANSFORMS & BUILT_IN.keys()))
    assert f"| {served} with `env` and `file` | served |" in section("Configuration")
    named = section("Not in this version").partition("the transforms ")[2].partition("the secret sources")[0]
    assert set(re.findall("`([a-z_]+)`", named)) == set(NOT_YET)


@pytest.mark.parametrize("name", sorted(NOT_YET))
def test_a_transform_that_is_missing_is_refused(name: str) -> None:
    _, errors, _ = loaded({**UPSTREAM_KEYS, "transforms": [{"name": name, "config": {}}]})

    assert errors == [f'proxy.yaml:1: transforms[0].name: transform "{name}" is {MISSING}']


@pytest.mark.parametrize("variable", NOT_AVAILABLE)
def test_a_variable_of_what_is_missing_is_refused(variable: str) -> None:
    _, problems = examine_config(None, {variable: "10s"})

    assert f"environment: {variable}: {MISSING}" in problems.errors
    assert mentions(section("Configuration"), variable)


def test_sources_are_either_served_or_named_as_missing() -> None:
    assert set(LATER_TYPES) == set().union(*UPSTREAM_SOURCES.values())
    assert set(BUILDERS) == {"env", "file"}
    named = section("Not in this version").partition("the secret sources of ")[2].partition(".")[0]
    assert set(re.split(", | and ", named)) == UPSTREAM_SOURCES.keys()


@pytest.mark.parametrize("kind", sorted(LATER_TYPES))
def test_a_source_that_is_missing_is_refused(kind: str) -> None:
    secret = {"source": {"type": kind}, "replace": {"proxy_value": "token-one"}, "rules": RULES}

    _, errors, _ = loaded({**UPSTREAM_KEYS, "transforms": [{"name": "secrets", "config": {"secrets": [secret]}}]})

    assert len(errors) == 1
    assert f'source type "{kind}" is {MISSING}; it serves env and file' in errors[0]


# --- the command line -----------------------------------------------------------------------------------------------


def defaults_of(flags: FlagSet) -> dict[str, object]:
    return {flag.name: flag.default for flag in flags.flags}


def test_the_flags_are_those_of_upstream() -> None:
    assert defaults_of(serve.FLAGS) == {"config": "", "token": ""}
    assert defaults_of(generate_ca.FLAGS) == {
        "outdir": ".", "name": "iron-proxy CA", "expiry-hours": 8760, "alg": "rsa4096",
    }  # fmt: skip
    table = section("Command line")
    assert [
        flag for flag in (*defaults_of(serve.FLAGS), *defaults_of(generate_ca.FLAGS)) if f"-{flag}" not in table
    ] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-token", "x"], f"error: managed mode (-token, IRON_PROXY_TOKEN) is {MISSING}\n"),
        (
            ["-config", "s3://bucket/key"],
            f"error: s3://bucket/key: a configuration in S3 is {MISSING}; give the path of a file\n",
        ),
        (["-config", "x", "stray"], ""),
    ],
    ids=["-token", "s3://", "stray arguments"],
)
def test_what_the_table_calls_refused_ends_with_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    assert told in capsys.readouterr().err


def test_the_token_of_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IRON_PROXY_TOKEN", "x")

    assert main.run([]) == 2
    assert MISSING in capsys.readouterr().err


@pytest.mark.parametrize("word", ["version", "--version", "-v"])
def test_the_version_has_the_words_of_upstream(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([word]) == 0
    assert f"`{word}`" in section("Command line")
    assert capsys.readouterr().err == ""


# --- ours -----------------------------------------------------------------------------------------------------------


def ours(schema: dict[str, Any], upstream: dict[str, Any], path: str = "") -> Iterator[str]:
    """The keys outside of `transforms` that upstream would refuse; below one that it refuses, nothing is told."""
    for name, value in schema.get("properties", {}).items():
        where = f"{path}.{name}".removeprefix(".")
        if name not in upstream:
            yield where
        elif isinstance(upstream[name], dict):
            yield from ours(value, upstream[name], where)


def test_the_page_names_every_key_that_upstream_refuses() -> None:
    schema = json.loads((ROOT / "src/iron_proxy/config/iron-proxy.schema.json").read_text())
    found = [*ours(schema, UPSTREAM_KEYS)]

    assert "proxy.workers" in found
    spans = set(code_spans(PAGE))
    assert [key for key in found if key not in spans] == []
