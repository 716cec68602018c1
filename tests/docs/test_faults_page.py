"""Every row of the faults page names a test that exists."""

import re

import pytest
from tests.docs.named_tests import named_in
from tests.docs.pages import text_of

PAGE = text_of("docs/explanation/faults.md")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not re.match(r"\| fault |\|--", line)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_row_names_tests_that_are_there(row: str) -> None:
    named = list(named_in(row))

    assert named
    assert [each for each in named if not each.is_test or not each.is_there()] == []


def test_every_test_of_faults_is_on_the_page() -> None:
    assert {named.path for named in named_in(PAGE) if named.path.startswith("tests/faults/")} == {
        f"tests/faults/test_{name}.py" for name in ("clock", "collector", "disk", "kills", "memory", "resolver")
    }
