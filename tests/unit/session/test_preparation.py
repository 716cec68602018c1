import os
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from iron_proxy.errors import ConfigError
from iron_proxy.session.certificates import BUNDLE, CA, JAVA_STORE
from iron_proxy.session.policy import Additions
from iron_proxy.session.policy_flags import parse_destinations, parse_secret
from iron_proxy.session.preparation import Order, prepare

OUTER = {"PATH": "/bin", "KEY": "sk-0123456789abcdef", "COPY": "x sk-0123456789abcdef", "JAVA_TOOL_OPTIONS": "-Xmx1g"}

FROM_FILE = {
    "source": {"type": "file", "path": "/secret"}, "inject": {"header": "X"}, "rules": [{"host": "a.test"}],
}  # fmt: skip


def order(tmp_path: Path | None = None, config: dict[str, Any] | None = None, **parts: Any) -> Order:
    path = ""
    if tmp_path is not None:
        path = str(tmp_path / "proxy.yaml")
        with open(path, "w") as stream:
            YAML().dump(config, stream)
    return Order(
        ("true",),
        {"environment": OUTER, **parts}["environment"],
        path,
        **{k: v for k, v in parts.items() if k != "environment"},
    )


def test_nothing_has_to_be_configured() -> None:
    preparation = prepare(order())

    assert preparation.ca_files is not None
    assert preparation.trust.keys() == {CA, BUNDLE, JAVA_STORE}
    assert preparation.hidden == ()
    assert preparation.notes == ()


def test_what_holds_secrets_is_hidden(tmp_path: Path) -> None:
    for name in ("ca.crt", "ca.key"):
        (tmp_path / name).write_text("x")
    config = {
        "tls": {"ca_cert": str(tmp_path / "ca.crt"), "ca_key": str(tmp_path / "ca.key")},
        "proxy": {"upstream_tls": {"client_cert": "c", "client_key": "k", "hosts": [
            {"host": "a.test", "client_cert": "c2", "client_key": "k2"}]}},
        "transforms": [{"name": "secrets", "config": {"secrets": [FROM_FILE]}}],
    }  # fmt: skip

    hidden = prepare(order(tmp_path, config, hidden=("/audit.jsonl",))).hidden

    assert hidden == (str(tmp_path / "proxy.yaml"), str(tmp_path / "ca.key"), "k", "k2", "/secret", "/audit.jsonl")


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    config = {"prxoy": {}, "transforms": [{"name": "allowlist", "config": {"domain": ["a.test"]}}]}

    with pytest.raises(ConfigError) as raised:
        prepare(order(tmp_path, config))

    assert len(raised.value.problems) == 2


def test_rules_for_clients_do_not_apply_and_that_is_told(tmp_path: Path) -> None:
    config = {"clients": [{"name": "agent", "cidrs": ["10.0.0.0/8"]}], "proxy": {"default_action": "allow"}}

    (note,) = prepare(order(tmp_path, config)).notes

    assert "rules for clients do not apply" in note


def test_flags_and_rules_name_ports() -> None:
    preparation = prepare(order(additions=Additions(parse_destinations(["a.test:8443"])), ports=(9000,)))

    assert preparation.ports == (9000, 8443)


async def test_the_environment_has_tokens_trust_and_no_secret() -> None:
    preparation = prepare(order(additions=Additions(secrets=(parse_secret("KEY@a.test"),))))

    variables, notes = await preparation.program_environment("/trust")

    assert variables["PATH"] == "/bin"
    assert variables["KEY"] == preparation.policy.tokens["KEY"]
    assert variables["SSL_CERT_FILE"] == f"/trust/{BUNDLE}"
    assert variables["NODE_EXTRA_CA_CERTS"] == f"/trust/{CA}"
    assert variables["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -Djavax.net.ssl.trustStore=/trust/ca-bundle.p12 ")
    assert "HTTPS_PROXY" not in variables
    assert notes == ["COPY is not passed on: KEY stands in it"]
    assert not any("sk-0123456789abcdef" in value for value in variables.values())


async def test_a_password_of_the_outbound_proxy_is_found_in_other_variables() -> None:
    url = "http://user:pa%24%24w0rd-1@proxy.corp:3128"
    outer = {**os.environ, "HTTPS_PROXY": url, "MAVEN_OPTS": "-Dhttps.proxyPassword=pa$$w0rd-1"}

    variables, notes = await prepare(order(environment=outer)).program_environment("/trust")

    assert not {"HTTPS_PROXY", "MAVEN_OPTS"} & variables.keys()
    assert notes == ["MAVEN_OPTS is not passed on: the outbound proxy's password stands in it"]


async def test_the_key_of_the_management_is_kept_from_the_program(tmp_path: Path) -> None:
    config = {"management": {"listen": "127.0.0.1:9092", "api_key_env": "ADMIN"}, "proxy": {"default_action": "allow"}}
    outer = {"PATH": "/bin", "ADMIN": "key-0123456789", "COPY": "key-0123456789"}

    variables, notes = await prepare(order(tmp_path, config, environment=outer)).program_environment("/trust")

    assert not {"ADMIN", "COPY"} & variables.keys()
    assert notes == ["COPY is not passed on: ADMIN stands in it"]


async def test_a_configured_token_is_set_only_where_there_is_a_value(tmp_path: Path) -> None:
    secrets = [
        {"var": name, "proxy_value": f"token-for-{name}", "hosts": [{"name": "a.test"}]} for name in ("KEY", "NONE")
    ]
    config = {"transforms": [{"name": "secrets", "config": {"source": "env", "secrets": secrets}}]}

    variables, _ = await prepare(order(tmp_path, config)).program_environment("/trust")

    assert variables["KEY"] == "token-for-KEY"
    assert "NONE" not in variables


async def test_where_no_tls_is_terminated_trust_stays_as_it_is(tmp_path: Path) -> None:
    preparation = prepare(order(tmp_path, {"tls": {"mode": "sni-only"}, "proxy": {"default_action": "allow"}}))

    variables, _ = await preparation.program_environment("/trust")

    assert preparation.ca_files is None
    assert "SSL_CERT_FILE" not in variables
