"""Every check has its row on the page, and the page has no other."""

import re

from tests.docs.pages import text_of

from iron_proxy.inspection.findings import CHECKS

PAGE = text_of("docs/reference/checks.md")
ROWS = dict(re.findall(r"^\| `(IP[0-9]+)` \| (.*) \|$", PAGE, re.MULTILINE))


def test_the_page_says_of_each_check_what_the_command_says() -> None:
    told = {check.id: " | ".join((check.title, check.severity, check.why, check.remedy)) for check in CHECKS.values()}

    assert told == ROWS


def test_the_page_names_no_check_that_is_not_there() -> None:
    assert set(re.findall(r"IP[0-9]{3}", PAGE)) == set(CHECKS)
