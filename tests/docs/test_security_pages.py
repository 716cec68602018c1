"""Every rule and every promise names a test, and every test, source and lint that is named is there."""

import re
import tomllib

import pytest
from tests.docs.named_tests import Named, named_in
from tests.docs.pages import ROOT, code_spans, text_of

RULES_PAGE = text_of("docs/explanation/security-rules.md")
THREATS = text_of("docs/explanation/threat-model.md")
ROWS = dict(re.findall(r"^\| (E[0-9]+) (\|.*)$", RULES_PAGE, re.MULTILINE))
LINTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one of its kind."""
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


PROMISES = [line for line in section(THREATS, "What is promised").splitlines() if line.startswith("* ")]
NAMED = sorted({*named_in(RULES_PAGE), *named_in(THREATS)})


def test_all_rules_are_on_the_page() -> None:
    assert list(ROWS) == [f"E{number}" for number in range(1, 30)]


@pytest.mark.parametrize("rule", ROWS)
def test_a_rule_says_what_keeps_it_and_which_test_fails_without(rule: str) -> None:
    cells = ROWS[rule].strip("| ").split(" | ")

    assert len(cells) == 3
    assert any(named.is_test for named in named_in(cells[2])), rule


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_names_the_test_that_holds_us_to_it(promise: str) -> None:
    assert any(named.is_test for named in named_in(promise))


def test_there_are_promises() -> None:
    assert len(PROMISES) > 10


@pytest.mark.parametrize("named", NAMED, ids=[f"{named.path}: {named.name}" for named in NAMED])
def test_what_is_named_is_there(named: Named) -> None:
    assert named.is_there()


def test_lints_that_are_named_are_switched_on() -> None:
    named = {span for span in code_spans(RULES_PAGE) if re.fullmatch(r"[A-Z]{1,4}[0-9]*", span)}

    assert {"S", "BLE", "T20", "TID251"} <= named
    assert {lint for lint in named if not lint.startswith(tuple(LINTS["select"]))} == set()
    banned = LINTS["flake8-tidy-imports"]["banned-api"]
    assert {"asyncio.create_task", "asyncio.ensure_future"} <= banned.keys()


@pytest.mark.parametrize(
    ("named", "is_there"),
    [
        (Named("tests/docs/test_security_pages.py", "test_all_rules_are_on_the_page"), True),
        (Named("tests/docs/test_security_pages.py", "test_nothing"), False),
        (Named("tests/docs/nowhere.py", ""), False),
        (Named("upstream/dialer.py", "Dialer.dial"), True),
        (Named("upstream/dialer.py", "Dialer.fly"), False),
    ],
)
def test_the_check_can_fail(named: Named, is_there: bool) -> None:
    assert named.is_there() == is_there
