"""What is printed where the encoding lacks characters."""

import io
import sys

import pytest

from iron_proxy.cli.standard_output import escape_what_cannot_be_shown, write_document


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("5 € → a", b"5 \\u20ac \\u2192 a"),
        (b"a\xfc \xe2\x82\xac".decode("ascii", "surrogateescape"), b"a\xfc \xe2\x82\xac"),
    ],
    ids=["what the encoding lacks is escaped", "bytes that are no text stay as they are"],
)
def test_nothing_that_is_printed_fails(text: str, shown: bytes, errors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", errors=errors))

    escape_what_cannot_be_shown()
    sys.stdout.write(text)
    sys.stdout.flush()

    assert written.getvalue() == shown


def test_an_output_that_is_none_of_the_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    escape_what_cannot_be_shown()

    assert isinstance(sys.stdout, io.StringIO)


def test_a_document_is_utf8_and_comes_behind_what_was_printed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))

    sys.stdout.write("before\n")
    write_document('{"a": "€"}\n' + b"\xff".decode("utf-8", "surrogateescape"))

    assert written.getvalue() == '{"a": "€"}\n'.encode().join([b"before\n", b"\xff"])
