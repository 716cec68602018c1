"""`secrets check` asks every source once, and never shows a value."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from iron_proxy.cli import main, secrets

CANARY = "sk-canary-0123456789"

# The command starts the log of the process: it is put back behind each test.
pytestmark = pytest.mark.usefixtures("process_log")

CONFIGURATION = """\
dns: {{enabled: false}}
metrics: {{listen: "off"}}
proxy: {{http_listen: "127.0.0.1:0", https_listen: "off", tunnel_listen: "127.0.0.1:0"}}
tls: {{ca_cert: /no.crt, ca_key: /no.key}}
clients:
  - {{name: agent, password: {{type: env, var: PASSWORD}}}}
transforms:
  - name: allowlist
    config: {{domains: ["a.test"]}}
  - name: secrets
    config:
      source: env
      secrets:
        - {{var: KEY, proxy_value: proxy-key-1234, hosts: [{{name: a.test}}]}}
  - name: secrets
    config:
      secrets:
        - source: {{type: file, path: {folder}/key, json_key: inner}}
          name: billing
          inject: {{header: X-Key}}
          rules: [{{host: a.test}}]
"""


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file whose secrets are all there."""
    monkeypatch.setenv("KEY", CANARY)
    monkeypatch.setenv("PASSWORD", f"{CANARY}-password")
    (tmp_path / "key").write_text(json.dumps({"inner": f"{CANARY}-inner"}))
    path = tmp_path / "proxy.yaml"
    path.write_text(CONFIGURATION.format(folder=tmp_path))
    return str(path)


def check(configuration: str, *more: str) -> int:
    return secrets.run(["check", "-config", configuration, *more])


def rows(text: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(text)["secrets"]
    return listed


def test_secrets_that_are_all_there_are_0(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(configuration) == 0

    out, err = capsys.readouterr()
    assert err == ""
    assert "3 secrets, all there." in out
    assert "canary" not in out


def test_each_is_told_with_its_place_its_source_and_its_length(
    configuration: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.utime(tmp_path / "key", (1, 1_000_000))

    assert check(configuration, "-json") == 0

    out = capsys.readouterr().out
    first, second, third = rows(out)
    assert first == {
        "name": "KEY", "place": f"{configuration}:14", "source": "env KEY", "available": True, "age_seconds": None,
        "length": "16–63", "notes": [],
    }  # fmt: skip
    assert (second["name"], second["place"]) == ("billing", f"{configuration}:18")
    assert second["source"] == f"file {tmp_path}/key, key inner"
    assert second["age_seconds"] > 1_000_000
    assert (third["name"], third["place"]) == ("password of client agent", f"{configuration}:6")
    assert "canary" not in out


def test_one_secret_is_told_as_one(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(configuration).read_text()
    # Without the clients, and without the second transform.
    text = text.partition("clients:")[0] + text[text.index("transforms:") : text.rindex("  - name: secrets")]
    Path(configuration).write_text(text)

    assert check(configuration) == 0
    assert "1 secret, all there." in capsys.readouterr().out


def test_one_that_cannot_be_had_is_1_and_told_why(
    configuration: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(f'{{"other": "{CANARY}"}}')

    assert check(configuration, "-json") == 1

    out = capsys.readouterr().out
    _, broken, _ = rows(out)
    assert (broken["available"], broken["length"]) == (False, "")
    assert 'key "inner" not found in JSON' in broken["notes"][0]
    assert "canary" not in out


def test_the_table_tells_it_too(
    configuration: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KEY")
    monkeypatch.setenv("PASSWORD", CANARY + "\n")
    monkeypatch.setenv("COLUMNS", "200")

    assert check(configuration) == 1

    out, err = capsys.readouterr()
    assert "unavailable" in out
    assert 'env var "KEY" is not set or empty' in out
    assert "ends in a newline" in out
    assert "3 secrets: 1 cannot be had, 1 with a note." in out
    assert "canary" not in out + err
    assert err == ""


def test_a_configuration_without_secrets_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text('dns: {enabled: false}\nproxy: {http_listen: "127.0.0.1:0", https_listen: "off"}\n')

    assert check(str(path)) == 0

    assert capsys.readouterr().out == "No secrets are configured.\n"


def test_what_is_wrong_with_the_configuration_is_2_and_all_of_it_told(
    configuration: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(configuration)
    path.write_text(path.read_text().replace("type: file", "type: flie") + "nonsense: 1\n")

    assert check(configuration) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert "flie" in err
    assert "nonsense" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "iron-proxy secrets check -config FILE"),
        (["list"], "iron-proxy secrets check -config FILE"),
        (["check", "-what"], "flag provided but not defined: -what"),
        (["check", "proxy.yaml"], 'unexpected argument "proxy.yaml"; the file is given as: -config FILE'),
    ],
    ids=["nothing", "another command", "unknown flag", "stray file"],
)
def test_a_wrong_command_line_is_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["secrets", *arguments]) == 2

    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["-h"], ["check", "-h"]], ids=["of the command", "of the check"])
def test_help_names_the_flags(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert secrets.run(arguments) == 0

    assert "-config FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(None, "—"), (0.0, "now"), (1.0, "1 second"), (119.0, "1 minute"), (7200.0, "2 hours"), (172_800.0, "2 days")],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float | None, age: str) -> None:
    assert secrets._age(seconds) == age
