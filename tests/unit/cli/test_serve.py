"""Before the proxy serves: flags, configuration and CA files, each failure with its status and on stderr."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.log_lines import LogLines

from iron_proxy.cli import main, serve
from iron_proxy.config.schema import Config
from iron_proxy.errors import StartupError
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.runtime import process_log as process_log_module
from iron_proxy.runtime import serving

MINIMAL = """\
dns: {enabled: false}
metrics: {listen: "off"}
proxy: {http_listen: "127.0.0.1:0", https_listen: "off"}
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine that the tests run on; and the process of the tests stays what it is."""
    monkeypatch.setattr("os.environ", {})
    for name in ("hardening.harden_process", "hardening.harden_server"):
        monkeypatch.setattr(f"iron_proxy.runtime.{name}", lambda: None)
    monkeypatch.setattr("iron_proxy.runtime.start_environment.take_environment", dict)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, process_log: LogLines) -> list[tuple[Config, Pipeline, Any]]:
    """What would have been served."""
    calls: list[tuple[Config, Pipeline, Any]] = []
    monkeypatch.setattr(serving, "serve_until_signal", lambda *arguments: calls.append(arguments))
    real = process_log_module.start_logging
    monkeypatch.setattr(process_log_module, "start_logging", lambda level, _: real(level, process_log.written.append))
    return calls


def configured(folder: Path, text: str) -> list[str]:
    """The arguments for a file with this text."""
    path = folder / "iron.yaml"
    path.write_text(text)
    return ["-config", str(path)]


def test_help_names_the_flags_and_the_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.run(["-h"]) == 0

    out, err = capsys.readouterr()
    assert out == ""
    assert "-config" in err
    named = re.findall(r"(?m)^  iron-proxy ([a-z-]+)", err)
    assert sorted(set(named)) == sorted([*main.MODULES, "help", "version"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["-foo"], "flag provided but not defined: -foo"), (["-config"], "-config")],
    ids=["unknown", "without a value"],
)
def test_a_wrong_flag_is_2_with_the_usage(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve.run(arguments) == 2

    err = capsys.readouterr().err
    assert complaint in err.splitlines()[0]
    assert "Usage" in err


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_managed_mode_is_not_there(
    by: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "environment":
        monkeypatch.setattr("os.environ", {"IRON_PROXY_TOKEN": "tok-123"})

    assert serve.run(["-token", "tok-123"] if by == "flag" else []) == 2

    err = capsys.readouterr().err
    assert "managed mode" in err
    assert "tok-123" not in err


def test_every_problem_of_the_file_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], served: list[Any]
) -> None:
    arguments = configured(tmp_path, MINIMAL + "log: {level: loud}\nnonsense: 1\ntransforms: [{name: no-such}]\n")

    assert serve.run(arguments) == 2

    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    for word in ("loud", "nonsense", "no-such"):
        assert any(word in line for line in lines), lines
    assert served == []


def test_a_file_that_is_not_there_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.run(["-config", "/nonexistent.yaml"]) == 2

    assert "/nonexistent.yaml" in capsys.readouterr().err


def test_a_ca_that_cannot_be_read_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str], served: list[Any]) -> None:
    text = MINIMAL.replace(', https_listen: "off"', ', https_listen: "127.0.0.1:0"')
    arguments = configured(tmp_path, f"{text}tls: {{ca_cert: {tmp_path}/no.crt, ca_key: {tmp_path}/no.key}}\n")

    assert serve.run(arguments) == 1

    assert f"{tmp_path}/no.crt" in capsys.readouterr().err
    assert served == []


def test_a_start_that_fails_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise StartupError("proxy.http_listen: listen :80: address already in use")

    monkeypatch.setattr(serving, "serve_until_signal", fail)

    assert serve.run(configured(tmp_path, MINIMAL)) == 1

    assert capsys.readouterr().err == "error: proxy.http_listen: listen :80: address already in use\n"


def test_a_good_configuration_is_served_with_its_transforms(tmp_path: Path, served: list[Any]) -> None:
    text = MINIMAL + "transforms: [{name: allowlist, config: {domains: [ok.test]}}]\n"

    assert serve.run(configured(tmp_path, text)) == 0

    [(config, pipeline, ca_files, _, origin, asked, build_fleet)] = served
    assert build_fleet is None
    assert config.proxy.http_listen.text == "127.0.0.1:0"
    assert pipeline.names == ["allowlist"]
    assert ca_files is None
    assert origin.path == str(tmp_path / "iron.yaml")
    assert asked == set()


def test_warnings_are_lines_of_the_process_log(tmp_path: Path, served: list[Any], process_log: LogLines) -> None:
    text = "config: {unknown_keys: warn}\nnonsense: 1\n" + MINIMAL

    assert serve.run(configured(tmp_path, text)) == 0

    assert any("nonsense" in message for message in process_log.messages)
    assert all(line["level"] == "WARN" for line in process_log.lines)
