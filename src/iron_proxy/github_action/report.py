"""
What the audit records of a job say: figures by host, what was denied or would have been, and the rules it needs.

Bounded as its parts are, whatever the records hold. Called by `cli/action.py`, told by `job_summary.py`. Pure.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from iron_proxy.audit_reading.entries import Entry, once_each
from iron_proxy.audit_reading.statistics import Statistics
from iron_proxy.learning.denials import Denials
from iron_proxy.learning.observations import Observations
from iron_proxy.learning.questions import Verdict, past_verdict
from iron_proxy.learning.rules import LearnedRule, learned_rules

# As many hosts as the statistics keep; the rest is counted together.
_MAX_HOSTS = 10_000
OTHERS = "(others)"


@dataclass(slots=True)
class Report:
    """`warned`: requests by host that enforced rules would have denied."""

    statistics: Statistics = field(default_factory=lambda: Statistics("host"))
    denials: Denials = field(default_factory=Denials)
    warned: Counter[str] = field(default_factory=Counter)
    observations: Observations = field(default_factory=Observations)
    denied: int = 0

    def take(self, entry: Entry) -> None:
        """Count one request."""
        self.statistics.add(entry)
        self.denials.take(entry)
        if entry.action == "reject":
            self.denied += 1
        elif entry.method == "CONNECT":  # what comes inside is counted
            return
        elif past_verdict(entry) is Verdict.WARNED:
            known = entry.host in self.warned or len(self.warned) < _MAX_HOSTS
            self.warned[entry.host if known else OTHERS] += 1
        self.observations.take(entry)

    @property
    def against_rules(self) -> int:
        """Requests that were denied, and those that only a warning let through."""
        return self.denied + self.warned.total()

    @property
    def allowed_hosts(self) -> list[str]:
        """Hosts that were reached."""
        return sorted(host for host, figures in self.statistics.groups.items() if figures.allowed)

    def rules(self) -> list[LearnedRule]:
        """The fewest rules for what was let through."""
        return learned_rules(self.observations).rules


def report_of(entries: Iterable[Entry]) -> Report:
    """All of them, each request once."""
    report = Report()
    for entry in once_each(entries):
        report.take(entry)
    return report
