"""`init` writes a file once, and says what comes next."""

import io
import sys
from pathlib import Path

import pytest

from iron_proxy.cli import check, init

pytestmark = pytest.mark.usefixtures("process_log")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_is_written_and_the_next_steps_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.run(["-preset", "codex", "-allow", "a.test", "-secret", "KEY@b.test"]) == 0

    out = capsys.readouterr().out
    assert out.splitlines()[0] == "wrote iron-proxy.yaml"
    assert "  iron-proxy generate-ca\n  iron-proxy check -config iron-proxy.yaml\n" in out
    assert "  OPENAI_API_KEY=... KEY=... iron-proxy -config iron-proxy.yaml\n" in out
    assert "In the workload: OPENAI_API_KEY=sk-proj-proxy-" in out
    text = (folder / "iron-proxy.yaml").read_text()
    assert "# Written by: iron-proxy init -preset codex -allow a.test -secret KEY@b.test\n" in text
    assert check.run(["-config", "iron-proxy.yaml", "-no-files", "-strict"]) == 0


def test_nothing_is_overwritten_unless_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "x.yaml").write_text("mine")

    assert init.run(["-preset", "npm", "-out", "x.yaml"]) == 1
    assert "-force overwrites it" in capsys.readouterr().err
    assert (folder / "x.yaml").read_text() == "mine"

    assert init.run(["-preset", "npm", "-out", "x.yaml", "-force"]) == 0
    assert "registry.npmjs.org" in (folder / "x.yaml").read_text()


def test_a_dash_is_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.run(["-preset", "pip", "-out", "-"]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("# yaml-language-server")
    assert out.endswith("\n")
    assert "iron-proxy check -config iron-proxy.yaml" in err
    assert list(folder.iterdir()) == []


def test_the_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert init.run(["-list"]) == 0
    assert "\nnpm           npm and pnpm, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "say what to allow"),
        (["-preset", "nmp"], 'there is no preset "nmp" (did you mean "npm"?); there are apt, '),
        (["-allow", "https://a.test"], "has no scheme"),
        (["-secret", "KEY"], "write VAR@HOST"),
        (["npm"], "-preset NAME"),
    ],
)
def test_wrong_flags_are_2_and_write_nothing(
    arguments: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init.run(arguments) == 2
    assert sentence in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_file_that_cannot_be_written_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert init.run(["-preset", "npm", "-out", "no/such/folder.yaml"]) == 1
    assert "error: writing no/such/folder.yaml: no such file or directory" in capsys.readouterr().err
    assert init.run(["-preset", "npm", "-out", "a\0b"]) == 1


def test_on_a_terminal_it_asks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("npm, pip\na.test,\nKEY@b.test\nmine.yaml\n"))
    monkeypatch.setattr(sys, "stdout", Terminal())

    assert init.run([]) == 0

    text = (folder / "mine.yaml").read_text()
    assert all(word in text for word in ("registry.npmjs.org", "pypi.org", '"a.test"', "var: KEY", '"b.test"'))


def test_an_answer_that_cannot_be_used_is_asked_for_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["nmp", "npm", "https://a.test", "a.test", "KEY", "KEY@b.test", ""]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(answers) + "\n"))
    monkeypatch.setattr(sys, "stdout", Terminal())

    assert init.run([]) == 0

    told = capsys.readouterr().err
    assert [sentence in told for sentence in ('no preset "nmp"', "has no scheme", "write VAR@HOST")] == [True] * 3
    text = (folder / "iron-proxy.yaml").read_text()
    assert all(word in text for word in ("registry.npmjs.org", '"a.test"', "var: KEY", '"b.test"'))


def test_a_file_that_is_there_is_told_before_anything_is_asked_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "iron-proxy.yaml").write_text("mine")
    monkeypatch.setattr(sys, "stdin", Terminal("npm\n\n\n\nother.yaml\n"))
    monkeypatch.setattr(sys, "stdout", Terminal())

    assert init.run([]) == 0

    assert "iron-proxy.yaml is there already" in capsys.readouterr().err
    assert (folder / "iron-proxy.yaml").read_text() == "mine"
    assert "registry.npmjs.org" in (folder / "other.yaml").read_text()


def test_an_end_of_the_answers_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("npm\n"))
    monkeypatch.setattr(sys, "stdout", Terminal())

    assert init.run([]) == 1
    assert list(folder.iterdir()) == []
