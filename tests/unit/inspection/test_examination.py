"""All findings about one configuration: what a start would refuse, or everything else."""

from pathlib import Path

from tests.unit.inspection.policies import PLAIN, allowlist, findings_of, read

from iron_proxy.inspection.examination import examine, note_sentences
from iron_proxy.inspection.findings import Findings


def test_with_errors_nothing_else_is_looked_at(tmp_path: Path) -> None:
    text = PLAIN + allowlist("{host: a.test, nonsense: 1}", domains='["*"]')

    [finding] = findings_of(text, tmp_path)

    assert (finding.id, finding.severity, finding.line) == ("IP001", "error", 9)
    assert (finding.key, finding.message) == ("transforms[0].config.rules[0].nonsense", "unknown key")


def test_warnings_of_a_start_are_findings(tmp_path: Path) -> None:
    [finding] = findings_of(PLAIN + allowlist(domains="[a.test]", warn="true"), tmp_path)

    assert (finding.id, finding.severity) == ("IP002", "warning")
    assert "not enforced" in finding.message


def test_the_files_of_the_ca_are_read_unless_told_otherwise(tmp_path: Path) -> None:
    text = PLAIN + "tls: {ca_cert: /no.crt, ca_key: /no.key}\n" + allowlist(domains="[a.test]")

    assert findings_of(text, tmp_path) == []
    assert [each.id for each in examine(*read(text, tmp_path))] == ["IP301"]


def test_sentences_of_all_shapes_find_their_place() -> None:
    findings = Findings("p.yaml")
    note_sentences(
        "IP001", ["p.yaml:3: a.b[0]: is: odd", "p.yaml: is required", "environment: X: bad", "p.yaml:1: no key here"],
        findings, "p.yaml",
    )  # fmt: skip

    assert {(each.line, each.key, each.message) for each in findings} == {
        (3, "a.b[0]", "is: odd"),
        (None, "", "is required"),
        (None, "", "environment: X: bad"),
        (1, "", "no key here"),
    }
