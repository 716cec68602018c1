"""Every preset can be read, and allows nothing but what it says."""

import re

import pytest

from iron_proxy.errors import ConfigError
from iron_proxy.inspection.shared_domains import is_for_every_host, is_for_names_of_others
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.presets import catalogue
from iron_proxy.presets.catalogue import preset_names, read_preset

PUBLISHING = ("npm", "pip", "uv", "cargo", "go", "apt", "docker-pull")


def test_the_presets_are_those() -> None:
    assert preset_names() == [
        "apt", "cargo", "claude-code", "codex", "docker-pull", "gemini", "git-github", "go", "npm", "pip", "uv",
    ]  # fmt: skip


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_in_order(name: str) -> None:
    preset = read_preset(name)

    assert preset.about
    assert any(not rule.is_optional for rule in preset.rules)
    for rule in preset.rules:
        matched = Rule.for_host(rule.host)
        assert not is_for_every_host(matched)
        assert not is_for_names_of_others(matched)
        assert all(PathPattern.parse(path).trap is None for path in rule.paths)
        assert rule.why
        assert "\n" not in rule.why
    for secret in preset.secrets:
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", secret.variable)
        assert set(secret.hosts) & {rule.host for rule in preset.rules if not rule.is_optional}
        assert secret.headers


@pytest.mark.parametrize("name", PUBLISHING)
def test_what_fetches_packages_cannot_publish_any(name: str) -> None:
    rules = read_preset(name).rules

    assert all(set(rule.methods) <= {"GET", "HEAD"} or "/security/" in "".join(rule.paths) for rule in rules)


def test_a_preset_that_is_not_in_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Files:
        def joinpath(self, name: str) -> "Files":
            return self

        def read_text(self, encoding: str) -> str:
            return "about: x\nrules: [{host: a.test, whi: y}]\n"

    monkeypatch.setattr(catalogue, "files", lambda package: Files())

    with pytest.raises(ConfigError, match="preset odd:2: rules"):
        read_preset("odd")
