"""What is told about a secret: enough to see a mistake, nothing that helps who guesses."""

import pytest
from tests.fakes.secret_source import FakeSource

from iron_proxy.secret_sources.source import Secret
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.examination import Examination, length_class
from iron_proxy.transforms.secrets.inject import Formatter, HeaderInjection

TOKEN = "proxy-token-1234"
GOOD = "sk-canary-0123456789"


def swapped(token: str = TOKEN, *, redact: bool = True) -> Entry:
    return Entry(FakeSource("K", None), (), Replacement(token.encode()), redact_responses=redact)


@pytest.mark.parametrize(
    ("size", "name"),
    [(0, "empty"), (1, "< 16"), (15, "< 16"), (16, "16–63"), (63, "16–63"), (64, "64–511"), (511, "64–511"),
     (512, "≥ 512"), (10_000, "≥ 512")],
)  # fmt: skip
def test_a_length_is_told_by_its_class(size: int, name: str) -> None:
    assert length_class("é" * size) == name


def test_of_a_good_one_there_is_nothing_to_say() -> None:
    finding = Examination([swapped()]).of(Secret("K", GOOD), "K", swapped())

    assert (finding.length, finding.notes) == ("16–63", ())


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (GOOD + "\n", "ends in a newline"),
        (GOOD + "\r\n", "ends in a newline"),
        ("sk-canary\n0123456789", "holds control characters"),
        ("sk-canary\x000123456789", "holds control characters"),
        (" " + GOOD, "begins or ends with a blank"),
        ("\ufeff" + GOOD, "begins or ends with a blank"),
        (f"Bearer {TOKEN}", "holds a proxy token of this configuration"),
        ("Proxy-canary-99999", "looks like a proxy token"),
        ("iron-proxy-canary", "looks like a proxy token"),
        ("abc", "is shorter than 4 bytes"),
        ("canary", "is shorter than 8 bytes"),
    ],
    ids=["LF", "CRLF", "inner LF", "NUL", "blank", "BOM", "token", "like a token", "like ours", "3 bytes", "6 bytes"],
)
def test_what_will_cause_trouble_is_noted_without_the_value(value: str, note: str) -> None:
    notes = Examination([swapped()]).of(Secret("K", value), "K", swapped()).notes

    assert len(notes) == 1
    assert notes[0].startswith(note)
    assert "canary" not in notes[0]


def test_two_with_the_same_value_are_noted_by_the_first_ones_name() -> None:
    examination = Examination([swapped()])

    first, second = (examination.of(Secret(name, GOOD), name, swapped()) for name in ("ONE", "TWO"))

    assert (first.notes, second.notes) == ((), ("is the same as ONE",))


@pytest.mark.parametrize("entry", [None, swapped(redact=False)], ids=["a client's password", "not scrubbed"])
def test_what_is_not_scrubbed_need_not_be_long(entry: Entry | None) -> None:
    assert Examination([]).of(Secret("K", "abc"), "K", entry).notes == ()


def test_an_injected_one_is_looked_at_in_the_same_way() -> None:
    entry = Entry(FakeSource("K", None), (), None, HeaderInjection("X-Key", Formatter()))

    assert Examination([entry]).of(Secret("K", "redacted"), "K", entry).notes[0].startswith("is part of what replaces")
