"""The Markdown of a job."""

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.github_action.job_summary import job_summary
from iron_proxy.github_action.report import report_of


def test_hosts_that_are_markup_stay_text() -> None:
    hostile = Entry(msg="request", host="a|`<img>", method="GET", path="/", action="reject", reason="malformed host")

    text = job_summary(report_of([hostile]), "enforce", is_complete=False)

    assert "<img>" not in text
    assert "| <code>a&#124;&#96;&lt;img&gt;</code> | 1 |" in text
    assert "ended before the job" in text
