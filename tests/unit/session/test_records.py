import json
import logging
import os
from pathlib import Path

import pytest
from tests.unit.session.test_tally import request

from iron_proxy.audit.record import Record
from iron_proxy.config.schema import LogConfig
from iron_proxy.runtime.process_log import report
from iron_proxy.secret_sources.source import Secret
from iron_proxy.session.records import Records

pytestmark = pytest.mark.usefixtures("process_log")


def records_to(*files: Path, sinks: tuple[object, ...] = ()) -> tuple[Records, list[str]]:
    told: list[str] = []
    descriptors = tuple(os.open(file, os.O_WRONLY | os.O_CREAT) for file in files)
    return Records(descriptors, sinks, told.append), told  # type: ignore[arg-type]


async def test_audit_records_and_the_log_go_to_every_file_and_to_the_sinks(tmp_path: Path) -> None:
    files, seen = (tmp_path / "a", tmp_path / "b"), list[Record]()
    records, _ = records_to(*files, sinks=(seen.append,))
    records.start_log()
    emitter = records.emitter(LogConfig())

    emitter.emit(request())
    emitter.flush()
    report(logging.INFO, "hello")

    for file in files:
        assert [json.loads(line)["msg"] for line in file.read_text().splitlines()] == ["request", "hello"]
    assert len(seen) == 1


async def test_without_files_nothing_is_written_and_everything_is_counted(capfd: pytest.CaptureFixture[str]) -> None:
    seen = list[Record]()
    records, _ = records_to(sinks=(seen.append,))
    records.start_log()
    emitter = records.emitter(LogConfig())

    emitter.emit(request())
    emitter.flush()
    report(logging.ERROR, "trouble")

    assert capfd.readouterr() == ("", "")
    assert len(seen) == 1
    assert records.warnings.sentences == ["trouble"]


def test_warnings_are_kept_once_whatever_the_level_that_is_written(tmp_path: Path) -> None:
    records, _ = records_to(tmp_path / "log")
    records.start_log()
    records.set_level("error")

    for _ in range(30):
        report(logging.WARNING, "odd", place="file:1")
    report(logging.INFO, "fine")

    assert records.warnings.sentences == ["odd (place: file:1)"]
    assert (tmp_path / "log").read_text() == ""


def test_a_secret_in_a_warning_is_masked_and_control_characters_are_not_shown() -> None:
    records, _ = records_to()
    records.start_log()
    secret = Secret("KEY", "sk-0123456789")

    report(logging.WARNING, "odd \x1b[2J", value="sk-0123456789")

    assert records.warnings.sentences[-1] == "odd ?[2J (value: [masked:KEY])"
    assert secret.name == "KEY"


def test_notes_are_told_and_kept() -> None:
    records, told = records_to()

    records.note("one", "two")

    assert told == records.notes == ["one", "two"]
