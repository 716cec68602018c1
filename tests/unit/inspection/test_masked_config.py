"""What is shown of a configuration: every key, and no secret."""

from typing import Any

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.reading import read_config
from iron_proxy.inspection.masked_config import masked_config, without_password

TEXT = """
dns: {proxy_ip: 192.0.2.1, upstream_resolver: "192.0.2.53:53"}
proxy:
  http_listen: ":8080"
  upstream_deny_cidrs: [10.0.0.0/8]
  upstream_proxy: {http_proxy: "http://user:pa55@proxy.test:3128"}
tls: {ca_cert: a, ca_key: b}
clients:
  - {name: ci, username: ci, password: {type: env, var: CI_PASSWORD}}
transforms:
  - name: allowlist
    config: {domains: [ok.test]}
  - name: secrets
    config:
      secrets:
        - source: {type: env, var: KEY}
          replace: {proxy_value: hidden-token, match_headers: [Authorization]}
          rules: [{host: "https://u:pa55@h"}]
  - {name: python, config: {class: "a:B", config: {password: hidden, colour: hidden-too}}}
  - {name: somebodys, config: {url: "hidden", nested: [hidden, {x: hidden}]}}
"""


@pytest.fixture
def shown() -> dict[str, Any]:
    return masked_config(read_config(parse_config(TEXT, "f"), {}))


def test_our_blocks_are_shown_with_their_defaults(shown: dict[str, Any]) -> None:
    assert shown["dns"]["upstream_resolver"] == "192.0.2.53:53"
    assert shown["proxy"]["http_listen"] == ":8080"
    assert shown["proxy"]["upstream_deny_cidrs"] == ["10.0.0.0/8"]
    assert shown["log"] == {"level": "info", "audit_schema": "seed"}


def test_passwords_of_urls_are_masked(shown: dict[str, Any]) -> None:
    assert shown["proxy"]["upstream_proxy"]["http_proxy"] == "http://***@proxy.test:3128"
    assert "pa55" not in str(shown)


def test_a_transforms_block_is_as_the_file_says_but_for_what_sounds_secret(shown: dict[str, Any]) -> None:
    allowlist, secrets = shown["transforms"][:2]

    assert allowlist == {"name": "allowlist", "config": {"domains": ["ok.test"]}}
    [entry] = secrets["config"]["secrets"]
    assert entry["source"] == {"type": "env", "var": "KEY"}
    assert entry["replace"] == {"proxy_value": "***", "match_headers": ["Authorization"]}


def test_of_foreign_transforms_nothing_but_keys_is_shown(shown: dict[str, Any]) -> None:
    python, somebodys = shown["transforms"][2:]

    assert python["config"] == {"class": "a:B", "config": {"password": "***", "colour": "***"}}
    assert somebodys["config"] == {"url": "***", "nested": ["***", {"x": "***"}]}
    assert "hidden" not in str(shown)


def test_a_client_is_shown_without_its_source(shown: dict[str, Any]) -> None:
    assert shown["clients"] == [{"name": "ci", "cidrs": [], "username": "ci", "has_password": True}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("user:p@host:1", "***@host:1"), ("http://a@b/", "http://***@b/"), ("a.test/@b", "a.test/@b"), ("", ""),
     ("http://u:p@ss@h", "http://***@h")],
)  # fmt: skip
def test_user_information_goes_wherever_it_stands(text: str, expected: str) -> None:
    assert without_password(text) == expected
