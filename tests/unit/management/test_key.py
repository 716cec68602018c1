"""The key: where it is, what it may be, and how a slip is told."""

import hashlib
import os
from pathlib import Path

import pytest

from iron_proxy.config.schema import ManagementConfig
from iron_proxy.errors import ConfigError
from iron_proxy.management.key import read_key

KEY = "0123456789abcdef-long-enough"
DIGEST = hashlib.sha256(KEY.encode()).digest()


def in_file(path: Path) -> ManagementConfig:
    return ManagementConfig(api_key_file=str(path))


def test_the_key_of_a_variable() -> None:
    assert read_key(ManagementConfig(), {"IRON_MANAGEMENT_API_KEY": KEY}) == (DIGEST, [])
    assert read_key(ManagementConfig(api_key_env="K"), {"K": KEY, "IRON_MANAGEMENT_API_KEY": "x"}) == (DIGEST, [])


def test_the_key_of_a_file_without_its_line_break(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\r\n")
    file.chmod(0o600)

    assert read_key(in_file(file), {}) == (DIGEST, [])


def test_what_is_doubtful_is_told(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("short")
    file.chmod(0o640)

    _, warnings = read_key(in_file(file), {})

    assert ["chmod 600" in warnings[0], "can be guessed" in warnings[1], len(warnings)] == [True, True, 2]


@pytest.mark.parametrize("value", ["", None])
def test_a_variable_that_is_not_set_is_told_in_upstreams_words(value: str | None) -> None:
    with pytest.raises(ConfigError, match='api_key_env "K" is not set in the environment'):
        read_key(ManagementConfig(api_key_env="K"), {} if value is None else {"K": value})


@pytest.mark.parametrize("value", ["with space in it", "a\nb", "ключ-ключ-ключ", "a\x7f"])
def test_a_key_that_no_client_can_send_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="visible ASCII"):
        read_key(ManagementConfig(), {"IRON_MANAGEMENT_API_KEY": value})


@pytest.mark.parametrize(("kind", "reason"), [("none", "no such file"), ("empty", "is empty"), ("long", "too long"),
                                              ("pipe", "is empty"), ("folder", "directory")])  # fmt: skip
def test_a_file_that_holds_no_key_is_told(tmp_path: Path, kind: str, reason: str) -> None:
    file = tmp_path / "key"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind != "none":
        file.write_text("" if kind == "empty" else "x" * 5000)

    with pytest.raises(ConfigError, match=reason):
        read_key(in_file(file), {})
