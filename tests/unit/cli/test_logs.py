"""`logs` shows audit records as lines, as figures, and as denials with the rules that would end them."""

import json
from pathlib import Path

import pytest
from tests.fakes.audit_lines import audit_line

from iron_proxy.cli import logs


@pytest.fixture
def audit(tmp_path: Path) -> str:
    lines = [
        b'{"time":"x","level":"INFO","msg":"iron-proxy starting"}\n',
        audit_line(host="a.test", path="/one", client="agent", time="2026-11-25T10:00:00Z"),
        audit_line("v0.46", host="b.test", path="/two", time="2026-11-25T11:00:00Z"),
        audit_line(host="evil.test", path="/caf\u00e9/\x1b[31m", action="reject", time="2026-11-25T12:00:00Z"),
    ]
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines))
    return str(tmp_path / "audit.jsonl")


def lines_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert logs.run([*arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_records_are_lines(audit: str, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = lines_of(capsys, audit)

    assert "a.test/one" in first
    assert "b.test/two" in second
    assert third.endswith("evil.test/café/\\x1b[31m  403  12 ms  no rule matches the host (allowlist)")


@pytest.mark.parametrize(
    ("arguments", "hosts"),
    [
        (["-host", "*.test"], ["a", "b", "evil"]),
        (["-host", "a.test"], ["a"]),
        (["-client", "agent"], ["a"]),
        (["-since", "2026-11-25T10:30:00Z"], ["b", "evil"]),
        (["-since", "2026-11-25T10:30:00Z", "-host", "b.test"], ["b"]),
    ],
)
def test_only_what_is_wanted(
    audit: str, arguments: list[str], hosts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = lines_of(capsys, *arguments, audit)

    assert [host for host in ("a", "b", "evil") if any(f" {host}.test/" in line for line in shown)] == hosts
    assert len(shown) == len(hosts)


def test_as_json_a_record_is_what_was_written_and_ascii(audit: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines_of(capsys, "-json", audit)
    written = Path(audit).read_bytes().splitlines()[1:]

    assert [json.loads(line) for line in shown] == [json.loads(line) for line in written]
    assert all(line.isascii() and line.isprintable() for line in shown)


def test_figures_by_host(
    audit: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = lines_of(capsys, "-stats", audit)

    (row,) = (line for line in shown if "evil.test" in line)
    assert [cell.strip() for cell in row.split("│")[1:6]] == ["evil.test", "1", "0", "1", "0"]
    assert shown[-1] == "3 requests, 2026-11-25T10:00:00Z to 2026-11-25T12:00:00Z"


@pytest.mark.parametrize(("by", "groups"), [("status", {"200", "403"}), ("client", {"agent", "192.0.2.1"})])
def test_figures_by_something_else_as_json(
    audit: str, by: str, groups: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads("\n".join(lines_of(capsys, "-by", by, "-json", audit)))

    assert {row[by] for row in told["groups"]} == groups
    assert sum(row["requests"] for row in told["groups"]) == 3


def test_denials_come_with_the_rules_that_would_end_them(audit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(capsys, "-denied", audit) == [
        "evil.test  1 request",
        "  no rule matches the host (allowlist); last 2026-11-25T12:00:00Z",
        '    - host: "evil.test"  # 1 request',
        "      schemes: [https]",
        "      ports: [443]",
        "      methods: [GET]",
        "      paths:",
        '        - "/café/\\U0000001b\\\\[31m"  # 1',
    ]


def test_denials_as_json(audit: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads("\n".join(lines_of(capsys, "-denied", "-json", audit)))

    (denial,) = told["denials"]
    assert (denial["host"], denial["requests"], denial["rules"][0]["host"]) == ("evil.test", 1, "evil.test")


def test_nothing_to_show_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").touch()

    assert lines_of(capsys, "-stats", str(tmp_path / "empty")) == ["No requests."]
    assert lines_of(capsys, "-denied", str(tmp_path / "empty")) == ["Nothing was denied."]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-by", "colour", "f"],
        ["-follow", "-stats", "f"],
        ["-follow", "-by", "client", "f"],
        ["-follow", "-"],
        ["-stats", "-denied", "f"],
        ["-since", "yesterday", "f"],
        ["-host", "https://x", "f"],
        ["-nonsense", "f"],
    ],
)
def test_wrong_flags_are_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert logs.run(arguments) == 2
    assert capsys.readouterr().err


def test_a_file_that_is_not_there_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert logs.run([str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err
