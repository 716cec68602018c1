"""The findings, for people and for programs."""

import io
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from iron_proxy.doctor.checks import Check
from iron_proxy.doctor.examination import ClientReport
from iron_proxy.doctor.report import Findings, as_json, report
from iron_proxy.doctor.verdicts import WORKS, Reason, Verdict, Way

UNTRUSTED = Verdict(Reason.UNTRUSTED, "does not trust the CA", "CURL_CA_BUNDLE", "curl: (60) bad")
GOOD = ClientReport("git", "", {Way.AS_IT_IS: WORKS, Way.ROUTED: WORKS})
BAD = ClientReport("curl", "", {Way.AS_IT_IS: UNTRUSTED, Way.ROUTED: WORKS}, "the command " + "x" * 200)
ABSENT = ClientReport("deno", "deno")
NO_MODULE = ClientReport("httpx", "Python package httpx")


def shown(findings: Findings) -> str:
    output = io.StringIO()
    console = Console(file=output, width=100, color_system=None)
    for part in report(findings):
        console.print(part, soft_wrap=isinstance(part, Text))
    return output.getvalue()


def test_a_table_with_what_is_missing_and_the_command_in_one_line() -> None:
    text = shown(Findings([Check("CA", True, "is valid")], [BAD, GOOD, ABSENT, NO_MODULE], False))

    assert "ok    CA: is valid" in text
    assert "does not trust the CA" in text
    assert f"Repairs curl:\nthe command {'x' * 200}\n" in text
    assert "Not here: deno, httpx (no Python package httpx)." in text
    assert "1 of 2 clients work." in text
    assert "HTTPS_PROXY" not in text


def test_a_failed_check_is_in_the_summary() -> None:
    text = shown(Findings([Check("CA", False, "has ended"), Check("x", True, "is fine")], [], False))

    assert "WRONG CA: has ended" in text
    assert "0 of 0 clients work; 1 of 2 checks found something wrong." in text


def test_the_last_words_of_a_failure_are_shown_without_passwords() -> None:
    verdict = Verdict(Reason.FAILED, "ended with status 1", "", "first\n[red]http://a:word@x failed")

    text = shown(Findings([], [ClientReport("x", "", {Way.PROXIED: verdict})], False))

    assert "[red]http://…@x failed" in text
    assert "word" not in text
    assert "first" not in text


@pytest.mark.parametrize(
    ("checks", "clients", "were_named", "ok"),
    [
        ([], [GOOD, ABSENT], False, True),
        ([], [GOOD, ABSENT], True, False),
        ([], [GOOD, BAD], False, False),
        ([Check("x", False, "")], [GOOD], False, False),
    ],
)
def test_what_counts(checks: list[Check], clients: list[ClientReport], were_named: bool, ok: bool) -> None:
    assert Findings(checks, clients, were_named).ok is ok
    assert as_json(Findings(checks, clients, were_named))["ok"] is ok


def test_the_json_twin() -> None:
    content: dict[str, Any] = as_json(Findings([Check("CA", True, "is valid")], [BAD, ABSENT], False))

    assert content["checks"] == [{"name": "CA", "passed": True, "sentence": "is valid"}]
    curl, deno = content["clients"]
    assert deno == {"name": "deno", "absent": "deno"}
    assert curl["runs"]["as it is"] == {
        "works": False,
        "reason": "ca-not-trusted",
        "sentence": "does not trust the CA",
        "missing": "CURL_CA_BUNDLE",
        "complaint": "curl: (60) bad",
    }
    assert curl["runs"]["by DNS"]["works"] is True
    assert (curl["works"], curl["repair"]) == (False, BAD.repair)


def test_a_client_that_was_not_asked_is_told() -> None:
    verdict = Verdict(Reason.UNKNOWN, "not asked: it fetches no plain URL")

    assert "not asked" in shown(Findings([], [ClientReport("git", "", {Way.PROXIED: verdict})], False))
