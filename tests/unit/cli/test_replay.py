"""`replay` tells which recorded requests another configuration would treat otherwise; its status is the answer."""

import json
from pathlib import Path

import pytest
from tests.fakes.audit_lines import audit_line

from iron_proxy.cli import replay

# The command starts the log of the process: it is put back behind each test.
pytestmark = pytest.mark.usefixtures("process_log")

CONFIGURATION = """\
dns: {enabled: false}
proxy: {http_listen: "127.0.0.1:8080", https_listen: "off"}
transforms:
  - name: allowlist
    config: {domains: [a.test]}
  - name: secrets
    config: {secrets: []}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> str:
    (tmp_path / "new.yaml").write_text(CONFIGURATION)
    return str(tmp_path / "new.yaml")


def audit_of(folder: Path, *lines: bytes) -> str:
    (folder / "audit.jsonl").write_bytes(b"".join(lines))
    return str(folder / "audit.jsonl")


def test_nothing_changes_is_0(configuration: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = audit_of(tmp_path, audit_line(host="a.test"), audit_line("v0.46", host="b.test", action="reject"))

    assert replay.run([audit, "-config", configuration]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "2 requests the same, 0 changed.",
        "Not judged, for records hold no header fields and no bodies: what secrets would refuse.",
    ]


def test_a_change_is_1_and_told(
    configuration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    audit = audit_of(tmp_path, audit_line(host="b.test", path="/\x1b[31m"), audit_line(host="a.test", action="reject"))

    assert replay.run(["-config", configuration, audit]) == 1

    out = capsys.readouterr().out
    assert "allowed → denied" in out
    assert "denied → allowed" in out
    assert "GET https://b.test/\\x1b[31m" in out
    assert "0 requests the same, 2 changed." in out


def test_the_same_for_programs(configuration: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = audit_of(tmp_path, audit_line(host="b.test"), b"rubbish\n")

    assert replay.run(["-json", "-config", configuration, audit]) == 1

    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["changed"], told["not_judged"]) == (0, 1, 0)
    assert told["changes"][0]["becomes"] == "denied"
    assert told["unread"] == ["1 line could not be read as audit records"]


def test_without_a_request_there_is_no_answer(
    configuration: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay.run(["-config", configuration, audit_of(tmp_path, b"rubbish\n")]) == 2
    assert "no request" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "nonsense: 1\n", "transforms: ["])
def test_a_configuration_that_cannot_be_used_is_2(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.yaml").write_text(text)

    assert replay.run(["-config", str(tmp_path / "bad.yaml"), audit_of(tmp_path, audit_line())]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_wrong_arguments_are_2(configuration: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = audit_of(tmp_path, audit_line())

    assert replay.run([]) == 2
    assert replay.run([audit]) == 2
    assert replay.run(["-config", configuration]) == 2
    assert replay.run(["-config", configuration, str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err
