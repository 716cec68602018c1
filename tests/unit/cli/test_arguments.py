"""Sub-commands answer the same slips in the same words."""

import pytest

from iron_proxy.cli.arguments import read_flags
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

FLAGS = FlagSet("thing", [Flag("size", 3, "how large", "N")])


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
