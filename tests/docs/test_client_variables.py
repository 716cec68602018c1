"""The page about trust has the table of variables that the code has."""

import re

import pytest
from tests.docs.pages import code_spans, text_of

from iron_proxy.cli.export_syntax import SHELLS
from iron_proxy.doctor.clients import NAMES
from iron_proxy.jail.client_environment import VARIABLES, Holds, Variable

PAGE = text_of("docs/howto/make-clients-trust-the-ca.md")
HOLDS = {
    Holds.BUNDLE: "the bundle",
    Holds.CA: "the CA",
    Holds.JAVA: "options",
    Holds.PROXY: "the URL",
    Holds.NO_PROXY: "`localhost,127.0.0.1,::1`",
    Holds.FLAG: "`1`",
}


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_a_variable_has_its_row(variable: Variable) -> None:
    row = f"| `{variable.name}` | {HOLDS[variable.holds]} | {variable.read_by} | {variable.reason} |"

    assert row in PAGE.splitlines()


def test_there_are_no_other_rows() -> None:
    table = PAGE[PAGE.index("## The variables") :]

    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [variable.name for variable in VARIABLES]


def test_every_form_is_shown() -> None:
    shown = " ".join(code_spans(PAGE))

    assert [shell for shell in SHELLS if shell != "bash" and f"-shell {shell}" not in shown] == []


def test_every_client_of_the_doctor_is_named() -> None:
    titles = {"python": "urllib", "node": "Node's fetch", "java": "Java", "deno": "Deno", "bun": "Bun"}
    check = PAGE[PAGE.index("## Check it") : PAGE.index("## What no variable helps")]

    assert [name for name in NAMES if titles.get(name, name) not in check] == []
