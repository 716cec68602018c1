"""What is wrong goes to standard error, a sentence a line, and is the command's status."""

import pytest

from iron_proxy.cli.complaints import complain


def test_each_sentence_is_a_line_of_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    status = complain("a.yaml:1: no", ValueError("nor that"), status=2)

    said = capsys.readouterr()
    assert status == 2
    assert (said.out, said.err) == ("", "error: a.yaml:1: no\nerror: nor that\n")
