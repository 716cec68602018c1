"""The outputs that a configuration asks for; a chain that goes on where the last process left it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.unit.audit.destinations import FakeDestination
from tests.unit.audit.records import record_of
from tests.unit.audit.test_verification import verified

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.outlet import Outlet
from iron_proxy.audit.signing import read_verifier, write_key_pair
from iron_proxy.config.schema import AuditConfig, LogConfig
from iron_proxy.errors import StartupError
from iron_proxy.runtime import audit_part
from iron_proxy.runtime.audit_part import build_audit


@pytest.fixture(autouse=True)
def stderr(monkeypatch: pytest.MonkeyPatch) -> FakeDestination:
    destination = FakeDestination()
    outlet = Outlet(destination)
    monkeypatch.setattr(audit_part, "standard_error", lambda: outlet)
    return destination


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def to_file(path: Path, **more: Any) -> AuditConfig:
    return AuditConfig(output="file", file=str(path), **more)


async def run_once(config: AuditConfig, *requests: str) -> AuditEmitter:
    """What one process does: start, record, stop."""
    emitter = build_audit(LogConfig(), config)
    emitter.start()
    for request in requests:
        emitter.emit(record_of(path=request))
    emitter.close()
    return emitter


def paths(content: bytes) -> list[str]:
    return [fields["path"] for line in content.splitlines() if "path" in (fields := json.loads(line))]


async def test_records_go_where_they_are_to_go(path: Path, stderr: FakeDestination) -> None:
    await run_once(AuditConfig(), "/1")
    assert paths(stderr.content) == ["/1"]

    await run_once(to_file(path), "/2")
    assert (paths(stderr.content), paths(path.read_bytes())) == (["/1"], ["/2"])

    await run_once(AuditConfig(output="both", file=str(path)), "/3")
    assert (paths(stderr.content), paths(path.read_bytes())) == (["/1", "/3"], ["/2", "/3"])


async def test_standard_error_stays_open_for_the_process_log(path: Path, stderr: FakeDestination) -> None:
    await run_once(AuditConfig(output="both", file=str(path)))

    assert not stderr.is_closed


async def test_the_mode_is_the_emitters() -> None:
    assert build_audit(LogConfig(), AuditConfig(mode="strict")).is_strict
    assert not build_audit(LogConfig(), AuditConfig()).is_strict


async def test_the_schema_is_the_logs(stderr: FakeDestination) -> None:
    emitter = build_audit(LogConfig(audit_schema="v0.46"), AuditConfig())
    emitter.start()
    emitter.emit(record_of())
    emitter.close()

    assert "audit" in json.loads(stderr.content)


async def test_a_chain_goes_on_after_a_stop_and_after_a_kill(path: Path) -> None:
    config = to_file(path, chain=True)
    await run_once(config, "/1")
    killed = build_audit(LogConfig(), config)
    killed.start()
    killed.emit(record_of(path="/2"))
    killed.flush()
    for branch in killed._trail.branches if killed._trail is not None else ():
        branch.outlet.close()
    with path.open("ab") as file:
        file.write(b'{"time":"cut in the mid')
    await run_once(config, "/3")

    result = verified(path.read_bytes())
    assert (result.findings, result.ends) == ([], True)
    assert paths(path.read_bytes()) == ["/1", "/2", "/3"]
    events = [json.loads(line) for line in path.read_bytes().splitlines()]
    starts = [event.get("audit") for event in events if event.get("action") == "start"]
    assert starts == [None, None, {"torn_bytes": 23}]


async def test_a_chain_goes_on_over_files_that_were_put_aside(path: Path) -> None:
    config = to_file(path, chain=True, max_size=2000, keep=100)
    for number in range(10):
        await run_once(config, *(f"/{number}/{each}" for each in range(5)))

    files = sorted(path.parent.iterdir(), key=lambda each: -int(each.suffix.strip(".") or 0) if each != path else 0)
    assert len(files) > 5
    assert verified(*(file.read_bytes() for file in files)).findings == []


@pytest.mark.parametrize("before", [True, False], ids=["to unchained", "to chained"])
async def test_a_file_is_in_one_chain_or_in_none(path: Path, before: bool) -> None:
    await run_once(to_file(path, chain=before), "/1")
    await run_once(to_file(path, chain=not before), "/2")

    assert paths(path.with_name("audit.jsonl.1").read_bytes()) == ["/1"]
    assert paths(path.read_bytes()) == ["/2"]
    assert verified(path.read_bytes()).is_whole is not before


async def test_signatures_hold(path: Path, tmp_path: Path) -> None:
    write_key_pair(str(tmp_path / "k.key"), str(tmp_path / "k.pub"))

    await run_once(to_file(path, chain=True, sign_key=str(tmp_path / "k.key")), "/1", "/2")

    assert verified(path.read_bytes(), verifier=read_verifier(str(tmp_path / "k.pub"))).findings == []


async def test_a_file_that_another_process_writes_stops_the_start(path: Path) -> None:
    first = build_audit(LogConfig(), to_file(path))

    with pytest.raises(StartupError, match=r"audit\.file: .*: another process writes this file"):
        build_audit(LogConfig(), to_file(path))
    first.start()
    first.close()


def test_a_file_that_cannot_be_written_stops_the_start(path: Path) -> None:
    path.symlink_to("/etc/passwd")
    for bad, reason in (
        (path, "is a link; name the file itself"),
        (path.parent, "is a directory"),
        (path.parent / "none" / "a", "no such file or directory"),
    ):
        with pytest.raises(StartupError, match=rf"audit\.file: .*: {reason}"):
            build_audit(LogConfig(), to_file(bad))


def test_a_key_that_is_none_stops_the_start(path: Path) -> None:
    with pytest.raises(StartupError, match=r"audit\.sign_key: .*no such file"):
        build_audit(LogConfig(), to_file(path, chain=True, sign_key="/nowhere"))


def test_there_is_one_way_to_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert audit_part.standard_error() is audit_part.standard_error()
    assert audit_part.standard_error().destination.name == "stderr"
    assert os.fstat(2)
