"""A value arrives in a shell as it is. The shells themselves are asked in tests/end_to_end/test_env.py."""

import json

import pytest

from iron_proxy.cli.export_syntax import exports, removals

NASTY = """a 'b' "c" $HOME `id` \\ !x"""


@pytest.mark.parametrize(
    ("shell", "text"),
    [
        ("bash", """export NAME='a '"'"'b'"'"' "c" $HOME `id` \\ !x'\n"""),
        ("fish", """set -gx NAME 'a \\'b\\' "c" $HOME `id` \\\\ !x'\n"""),
        ("powershell", """$env:NAME = 'a ''b'' "c" $HOME `id` \\ !x'\n"""),
        ("github", f"NAME={NASTY}\n"),
        ("docker", f"NAME={NASTY}\n"),
        ("json", json.dumps({"NAME": NASTY}, indent=2) + "\n"),
    ],
)
def test_a_value_is_quoted(shell: str, text: str) -> None:
    assert exports(shell, {"NAME": NASTY}) == text


def test_one_line_a_variable() -> None:
    assert exports("bash", {"A": "1", "B": "2"}) == "export A=1\nexport B=2\n"


def test_powershell_takes_typographic_quotes_for_plain_ones() -> None:
    assert exports("powershell", {"A": "\u2018x\u2019"}) == "$env:A = '\u2018\u2018x\u2019\u2019'\n"


def test_several_lines_for_github_stand_between_delimiters_that_the_value_does_not_have() -> None:
    assert exports("github", {"A": "1\nEND_OF_VALUE"}) == "A<<END_OF_VALUE_\n1\nEND_OF_VALUE\nEND_OF_VALUE_\n"


def test_several_lines_cannot_be_told_to_docker() -> None:
    with pytest.raises(ValueError, match="A has more than one line"):
        exports("docker", {"A": "1\n2"})


@pytest.mark.parametrize(
    ("shell", "text"),
    [
        ("bash", "unset A\nunset B\n"),
        ("fish", "set -e A\nset -e B\n"),
        (
            "powershell",
            "Remove-Item Env:A -ErrorAction SilentlyContinue\nRemove-Item Env:B -ErrorAction SilentlyContinue\n",
        ),
        ("json", '{\n  "A": null,\n  "B": null\n}\n'),
    ],
)
def test_variables_are_taken_away(shell: str, text: str) -> None:
    assert removals(shell, ["A", "B"]) == text
