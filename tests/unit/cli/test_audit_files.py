"""What the commands that read audit files do alike."""

import io
import sys

import pytest
from tests.fakes.audit_lines import audit_line

from iron_proxy.audit_reading.sources import ReadingTally
from iron_proxy.cli.audit_files import console, file_sentence, read_files, tell_unread


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


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileNotFoundError(2, "No such file", "\x1b.jsonl"), "reading \\x1b.jsonl: no such file or directory"),
        (OSError(5, "Input/output error"), "reading standard input: input/output error"),
    ],
    ids=["a file", "standard input"],
)
def test_a_file_that_cannot_be_read_is_one_sentence(error: OSError, sentence: str) -> None:
    assert file_sentence(error) == sentence


def test_nothing_is_coloured_where_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert console(is_plain=True).color_system is None

    monkeypatch.setenv("NO_COLOR", "1")
    assert console(is_plain=False).color_system is None
