"""What `iron-proxy run` prints and opens; the runs themselves are replaced, they have tests of their own."""

import gc
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.log_lines import LogLines
from tests.unit.session.test_tally import denied, request

from iron_proxy.cli import run as module
from iron_proxy.cli.run import run
from iron_proxy.errors import JailUnavailable
from iron_proxy.runtime.process_log import log
from iron_proxy.session import jailed, unjailed
from iron_proxy.session.preparation import Preparation
from iron_proxy.session.records import Records
from iron_proxy.session.summary import Ending


@pytest.fixture(autouse=True)
def a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, process_log: LogLines) -> Iterator[None]:
    """What a command does to its process must not last."""
    monkeypatch.setattr("iron_proxy.runtime.hardening.harden_process", lambda: (0, 0))
    monkeypatch.setattr("iron_proxy.runtime.open_files.raise_open_files", lambda: (1024, 1024))
    monkeypatch.setattr("iron_proxy.session.records.start_logging", write_nowhere)
    yield
    gc.enable()


def write_nowhere(level: str, write: object) -> None:
    log.handlers = [logging.NullHandler()]


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the run comes to, and what it was given."""
    known: dict[str, Any] = {"ending": Ending(0, 1.0), "records": []}

    async def stand_in(preparation: Preparation, records: Records) -> Ending:
        known["preparation"] = preparation
        if isinstance(known["ending"], BaseException):
            raise known["ending"]
        emitter = records.emitter(preparation.config.log)
        for record in known["records"]:
            emitter.emit(record)
        emitter.flush()
        ending = known["ending"]
        assert isinstance(ending, Ending)
        return ending

    monkeypatch.setattr(jailed, "run_jailed", stand_in)
    monkeypatch.setattr(unjailed, "run_unjailed", stand_in)
    return known


def test_the_status_is_the_programs(outcome: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    outcome["ending"] = Ending(7, 1.0)

    assert run(["--", "true"]) == 7
    assert capfd.readouterr() == ("", "iron-proxy: no requests\n")


def test_a_program_that_could_not_be_started_is_told(
    outcome: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    outcome["ending"] = Ending(127, 0.1, "nope: command not found")

    assert run(["-summary", "off", "--", "nope"]) == 127
    assert capfd.readouterr() == ("", "iron-proxy: nope: command not found\n")


def test_the_summary_is_told_in_lines(outcome: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    outcome["records"] = [request(), denied("b.test")]

    run(["--", "true"])

    assert capfd.readouterr().err == (
        "iron-proxy: 1 request allowed, 1 denied\n"
        "  allowed  a.test (1)\n"
        "  denied   b.test (1): no rule matches the host; to allow it: --allow b.test\n"
    )


def test_the_summary_is_one_object_in_a_file(
    outcome: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome["records"] = [request()]
    file = tmp_path / "summary.json"
    file.write_text("an older one, which was longer" * 100)

    run(["-summary", "json", "-summary-file", str(file), "--", "true"])

    assert json.loads(file.read_text())["requests"]["allowed"] == 1
    assert capfd.readouterr().err == ""


def test_audit_records_are_appended_to_a_file_for_its_owner_alone(outcome: dict[str, Any], tmp_path: Path) -> None:
    outcome["records"] = [request()]
    file = tmp_path / "audit.jsonl"

    for _ in range(2):
        run(["-summary", "off", "-audit", str(file), "--", "true"])

    assert [json.loads(line)["host"] for line in file.read_text().splitlines()] == ["a.test", "a.test"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert outcome["preparation"].hidden == (str(file),)


def test_what_was_learned_is_written(
    outcome: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome["records"] = [request(path="/x")]
    file = tmp_path / "learned.yaml"

    run(["-summary", "off", "-learn", str(file), "--", "true"])

    assert '- "/x"  # 1\n' in file.read_text()
    assert capfd.readouterr().err == f"iron-proxy: wrote {file}: run it with -config {file} to allow just that\n"


def test_a_file_that_is_there_is_not_overwritten_by_what_is_learned(
    outcome: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "learned.yaml"
    os.symlink("/nowhere", file)

    assert run(["-learn", str(file), "--", "true"]) == 1
    assert "nothing is overwritten" in capfd.readouterr().err
    assert "preparation" not in outcome


def test_where_there_is_no_jail_one_sentence_says_why(
    outcome: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome["ending"] = JailUnavailable("the kernel does not want to")
    learned = tmp_path / "learned.yaml"

    assert run(["-learn", str(learned), "--", "true"]) == 1
    assert capfd.readouterr() == ("", "iron-proxy: the kernel does not want to\n")
    assert not learned.exists()


def test_weak_says_what_it_is(outcome: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["-weak", "-summary", "off", "--", "true"]) == 0
    assert capfd.readouterr().err.startswith("iron-proxy: weak: the program is told of the proxy by its environment")


def test_patterns_that_cover_more_than_they_seem_to_are_told(
    outcome: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    run(["-allow", "*example.com", "-summary", "off", "--", "true"])

    assert "evilexample.com" in capfd.readouterr().err


def test_an_interruption_before_the_program_runs_is_130(outcome: dict[str, Any]) -> None:
    outcome["ending"] = KeyboardInterrupt()

    assert run(["--", "true"]) == 130


def test_a_bug_does_not_end_in_silence(
    outcome: dict[str, Any], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[type[BaseException]] = []
    monkeypatch.setattr("sys.excepthook", lambda kind, error, trace: logged.append(kind))
    outcome["ending"] = ZeroDivisionError("with a secret in it")

    assert run(["--", "true"]) == 1
    assert capfd.readouterr().err == "iron-proxy: internal error: ZeroDivisionError; -verbose tells where\n"
    assert logged == [ZeroDivisionError]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["-h"], 0, "Usage: iron-proxy run [flags] -- COMMAND"),
        (["-nope"], 2, "flag provided but not defined: -nope"),
        ([], 2, "which program?"),
        (["-config", "/no/such/file", "--", "true"], 2, "no such file"),
        (["-audit", "/no/such/file", "--", "true"], 1, "writing /no/such/file: no such file or directory"),
    ],
)
def test_help_and_mistakes(
    arguments: list[str], status: int, words: str, outcome: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == status
    assert words in capfd.readouterr().err
    assert "preparation" not in outcome


def test_without_a_reader_the_status_counts_all_the_same(
    outcome: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(module, "_STANDARD_ERROR", writer)
    outcome["ending"] = Ending(3, 1.0)

    assert run(["--", "true"]) == 3
    os.close(writer)
