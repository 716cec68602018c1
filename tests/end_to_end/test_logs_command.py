"""`iron-proxy logs` as a process: following a file, and being left by whoever reads its output."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes.audit_lines import audit_line

pytestmark = pytest.mark.end_to_end

COMMAND = [sys.executable, "-m", "iron_proxy", "logs"]


@contextmanager
def following(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, "-follow", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(20, process.kill)               # a line that never comes ends the wait
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def append(file_path: Path, /, **changes: str) -> None:
    with file_path.open("ab") as file:
        file.write(audit_line(**changes))


def test_a_file_is_followed_across_its_rotation_until_it_is_interrupted(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    append(audit, host="first.test")

    with following(str(audit)) as process:
        assert " first.test/" in next_line(process)
        append(audit, host="second.test")
        assert " second.test/" in next_line(process)
        audit.rename(tmp_path / "audit.jsonl.1")
        append(audit, host="third.test", action="reject")
        assert " third.test/" in next_line(process)
        process.send_signal(signal.SIGINT)

        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_only_what_is_denied_is_followed_on_demand(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    append(audit, host="allowed.test")
    append(audit, host="denied.test", action="reject")

    with following("-denied", "-json", str(audit)) as process:
        assert '"host":"denied.test"' in next_line(process)


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    audit.write_bytes(audit_line() * 20_000)

    process = subprocess.Popen([*COMMAND, str(audit)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(20) == 0
    assert process.stderr is not None
    with process.stderr as errors:
        assert errors.read() == b""


def test_a_terminal_gets_colours_and_nothing_that_a_client_has_sent(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    append(audit, host="evil.test", path="/\x1b[2J\x1b]0;pwned\x07", action="reject")
    controller, terminal = os.openpty()

    done = subprocess.run(
        [*COMMAND, str(audit)], stdout=terminal, stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm-256color"},
        timeout=20, check=False,
    )  # fmt: skip
    os.close(terminal)
    shown = os.read(controller, 100_000)
    os.close(controller)

    assert done.returncode == 0
    assert b"\x1b[31m" in shown                                # ours: red
    assert b"\\x1b[2J\\x1b]0;pwned\\x07" in shown
    assert b"\x1b[2J" not in shown
    assert b"\x1b]0" not in shown
