"""Findings are made of checks that exist, once each, in the order of the file."""

import pytest

from iron_proxy.inspection.findings import CHECKS, Findings


def test_findings_come_in_the_order_of_the_file_errors_first() -> None:
    findings = Findings("p.yaml")
    findings.add("IP102", 9, "b", "two")
    findings.add("IP101", 4, "a", "one")
    findings.add("IP101", 4, "a", "one")
    findings.add("IP301", None, "tls", "broken")

    assert [(each.id, each.line) for each in findings] == [("IP301", None), ("IP101", 4), ("IP102", 9)]
    assert (findings.count("error"), findings.count("warning")) == (1, 2)
    first = next(iter(findings))
    assert (first.file, first.severity, first.why, first.remedy) == (
        "p.yaml", "error", CHECKS["IP301"].why, CHECKS["IP301"].remedy,
    )  # fmt: skip


def test_an_unknown_check_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Findings("p.yaml").add("IP999", None, "", "")


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.id)
def test_a_check_says_why_and_what_to_do_in_sentences(check: object) -> None:
    why, remedy = check.why, check.remedy  # type: ignore[attr-defined]  # a Check

    assert why[0].isupper()
    assert why.endswith(".")
    assert remedy.endswith(".")
