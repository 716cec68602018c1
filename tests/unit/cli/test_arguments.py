"""Sub-commands answer the same slips in the same words."""

import pytest

from iron_proxy.cli.arguments import read_files_and_flags, read_flags, read_words_and_flags
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

FLAGS = FlagSet("thing", [Flag("size", 3, "how large", "N")])
MORE_FLAGS = FlagSet("thing", [*FLAGS.flags, Flag("x", (), "again and again", "X")])


def test_flags_are_handed_over() -> None:
    parsed = read_flags(FLAGS, ["-size", "4"])

    assert isinstance(parsed, ParsedFlags)
    assert parsed.integer("size") == 4


def test_help_is_the_usage_and_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_flags(FLAGS, ["-h"]) == 0
    assert capsys.readouterr() == ("", FLAGS.usage())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-sise", "4"], "flag provided but not defined: -sise"),
        (["stray"], 'unexpected argument "stray"; write -size'),
    ],
    ids=["an unknown flag", "a stray argument"],
)
def test_a_slip_is_told_with_the_usage(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_flags(FLAGS, arguments, "; write -size") == 2
    assert capsys.readouterr() == ("", f"{sentence}\n{FLAGS.usage()}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["A", "B", "-x", "1", "-x", "2", "-size", "4"],
        ["-x", "1", "A", "-x=2", "B", "-size", "4"],
        ["-x", "1", "-x", "2", "-size", "4", "A", "B"],
        ["-x", "1", "-x", "2", "-size", "4", "--", "A", "B"],
    ],
)
def test_words_stand_before_between_and_behind_flags(arguments: list[str]) -> None:
    read = read_words_and_flags(MORE_FLAGS, arguments, ("ONE", "TWO"))

    assert isinstance(read, tuple)
    words, parsed = read
    assert (words, parsed.texts("x"), parsed.integer("size")) == (("A", "B"), ("1", "2"), 4)


def test_behind_two_dashes_everything_is_a_word() -> None:
    read = read_words_and_flags(MORE_FLAGS, ["A", "--", "-size"], ("ONE", "TWO"))

    assert isinstance(read, tuple)
    assert read[0] == ("A", "-size")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["A"], "thing takes ONE and TWO; got 1 of them"),
        (["A", "B", "C"], "thing takes ONE and TWO; got 3 of them"),
        (["A", "B", "-y"], "flag provided but not defined: -y"),
    ],
)
def test_a_word_too_few_or_too_many_is_told(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_words_and_flags(MORE_FLAGS, arguments, ("ONE", "TWO")) == 2
    assert capsys.readouterr().err.startswith(f"{sentence}\nUsage of thing:")


def test_help_among_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_words_and_flags(MORE_FLAGS, ["A", "-h"], ("ONE", "TWO")) == 0


def test_any_number_of_files_among_flags() -> None:
    read = read_files_and_flags(FLAGS, ["a", "-size", "4", "-", "b"], "name a file")

    assert isinstance(read, tuple)
    assert (read[0], read[1].integer("size")) == (("a", "-", "b"), 4)


def test_that_there_is_no_file_is_told_where_one_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_files_and_flags(FLAGS, ["-size", "4"], "name a file") == 2
    assert capsys.readouterr().err.startswith("name a file\nUsage of thing:")
    assert isinstance(read_files_and_flags(FLAGS, []), tuple)
