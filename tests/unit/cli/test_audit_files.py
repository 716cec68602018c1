"""What the commands that read audit files do alike."""

import io
import sys

import pytest
from tests.fakes.audit_lines import audit_line

from iron_proxy.audit_reading.sources import ReadingTally
from iron_proxy.cli.audit_files import console, read_files, tell_unread


class Input:
    """Standard input with bytes in it."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Input(audit_line(host="a.test")))

    ((entry, _),) = read_files(["-"], ReadingTally())

    assert entry.host == "a.test"


def test_what_was_not_read_is_told_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    tell_unread(ReadingTally(broken=3, damaged=["\x1b[31m.gz: damaged"]))

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "warning: \\x1b[31m.gz: damaged\nwarning: 3 lines could not be read as audit records\n"


def test_nothing_is_coloured_where_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert console(is_plain=True).color_system is None

    monkeypatch.setenv("NO_COLOR", "1")
    assert console(is_plain=False).color_system is None
