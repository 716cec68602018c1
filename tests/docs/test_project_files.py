"""What the place that hosts the repository reads: issue forms and the template of pull requests."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, text_of

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_an_issue_form_follows_its_schema(form: Path) -> None:
    schema = "vendor.github-issue-config" if form.name == "config.yml" else "vendor.github-issue-forms"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(form)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr


def test_whoever_reports_a_fault_is_told_of_the_private_way_first() -> None:
    assert "SECURITY.md" in text_of(".github/ISSUE_TEMPLATE/fault.yml").partition("type: textarea")[0]


def test_agents_are_sent_to_what_holds_for_everybody() -> None:
    assert "(CONTRIBUTING.md)" in text_of("AGENTS.md")
