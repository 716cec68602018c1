"""`learn` writes the rules that audit records need, and `check` has nothing to say about them."""

import json
from pathlib import Path

import pytest
from tests.fakes.audit_lines import audit_line

from iron_proxy.cli import check, learn

# The command starts the log of the process: it is put back behind each test.
pytestmark = pytest.mark.usefixtures("process_log")

BASE = """\
dns: {enabled: false}
proxy: {http_listen: "127.0.0.1:8080", https_listen: "off"}
metrics: {listen: "127.0.0.1:9090"}
clients: [{name: ci, cidrs: ["10.0.0.0/8"]}]
transforms:
  - name: allowlist
    config:
      domains: ["*.test", "old.example"]
"""


@pytest.fixture
def audit(tmp_path: Path) -> str:
    lines = [
        *(audit_line(host="a.test", path=f"/users/{number}") for number in range(3)),
        audit_line(host="b.test", client="ci"),
        audit_line(host="evil.test", action="reject"),
        b"rubbish\n",
    ]
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines))
    return str(tmp_path / "audit.jsonl")


def test_what_is_written_loads_and_check_finds_nothing(
    audit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "new.yaml")

    assert learn.run([audit, "-out", out]) == 0

    err = capsys.readouterr().err
    assert "warning: 1 line could not be read as audit records\n" in err
    assert err.endswith(f"4 requests: 2 rules with 2 paths, written to {out}\n")
    text = Path(out).read_text()
    assert '- "/users/?*"  # 3, wider than the 3 paths seen\n' in text
    assert "The rules are for every client; those seen were ci." in text
    assert "evil.test" not in text
    assert check.run(["-strict", "-no-files", "-config", out]) == 0


def test_one_request_is_told_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.jsonl").write_bytes(audit_line(host="a.test", path="/x"))

    assert learn.run([str(tmp_path / "one.jsonl")]) == 0

    assert capsys.readouterr().err == "1 request: 1 rule with 1 path\n"


def test_beside_a_configuration_it_tells_the_difference(
    audit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "base.yaml").write_text(BASE)

    assert learn.run(["-from-config", str(tmp_path / "base.yaml"), audit]) == 0

    out, err = capsys.readouterr()
    assert out.startswith(BASE.split("    config:")[0])
    assert '        clients: ["ci"]' in out
    for text in (out, err):
        assert "~ a.test:443 GET, 1 path (3 requests), of domains[0], line 8 (*.test)" in text
        assert "- domains[1], line 8 (old.example): no request needed it" in text


def test_as_json_it_has_the_evidence(audit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "base.yaml").write_text(BASE)

    assert learn.run(["-format", "json", "-from-config", str(tmp_path / "base.yaml"), audit]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["rules"][0]["paths"] == {"/users/?*": {"requests": 3, "paths": 3}}
    assert (told["requests"], told["denied"]) == (4, 1)
    assert [rule["text"] for rule in told["unused"]] == ["old.example"]
    assert [use["requests"] for use in told["used"]] == [4]


def test_what_was_denied_is_allowed_on_demand(audit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert learn.run(["-include-denied", audit]) == 0
    assert '- host: "evil.test"' in capsys.readouterr().out


def test_what_was_too_seldom_is_left_out_and_said(audit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert learn.run(["-min-count", "2", audit]) == 0

    out, err = capsys.readouterr()
    assert "b.test" not in out
    assert "# Left out with -min-count: 1 requests of 1 kinds.\n" in out
    assert "warning: 1 of the requests seen would not be let through by these rules\n" in err


def test_no_file_is_overwritten_unasked(audit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "there.yaml"
    out.write_text("mine")

    assert learn.run([audit, "-out", str(out)]) == 2
    assert out.read_text() == "mine"
    assert "-force" in capsys.readouterr().err
    assert learn.run([audit, "-out", str(out), "-force"]) == 0
    assert out.read_text() != "mine"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [([], "no request"), ([audit_line(action="reject")], "-include-denied"), ([b"rubbish\n"], "no request")],
)
def test_where_there_is_nothing_to_learn_it_says_so(
    lines: list[bytes], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audit").write_bytes(b"".join(lines))

    assert learn.run([str(tmp_path / "audit")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err


@pytest.mark.parametrize(
    "arguments", [[], ["-format", "xml", "f"], ["-min-count", "0", "f"], ["-max-names", "-1", "f"], ["-x", "f"]]
)
def test_wrong_flags_are_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert learn.run(arguments) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "transforms: [", BASE + "nonsense: 1\n", '{"proxy": {}}'])
def test_a_configuration_that_cannot_be_used_is_2(
    text: str, audit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "base.yaml").write_text(text)

    assert learn.run(["-from-config", str(tmp_path / "base.yaml"), audit]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")


def test_a_file_that_is_not_there_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert learn.run([str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err
