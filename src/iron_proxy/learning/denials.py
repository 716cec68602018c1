"""
Denied requests by destination and reason, each with the rules that would have let them through.

The rules are made as `learn` makes them, of the denied requests alone. Where another transform denied, or the request
itself was at fault, no rule of an allowlist changes anything, and none is shown. Called by `cli/logs.py`.
"""

from dataclasses import dataclass, field

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.learning.observations import Observations
from iron_proxy.learning.questions import Verdict, past_verdict
from iron_proxy.learning.rules import LearnedRule, learned_rules

# What is beyond is counted together: a list of more is read by nobody.
MAX_DENIALS = 1000
# Of one reason: more paths than this become patterns soon, and the rest is counted.
_MAX_PATHS = 2000

_Key = tuple[str, str, str, str]


@dataclass(slots=True)
class Denial:
    """Denied requests that have host, client and reason in common. `rejected_by` is "" for a malformed request."""

    host: str
    client: str
    rejected_by: str
    reason: str
    requests: int = 0
    first: str = ""
    last: str = ""
    observations: Observations | None = field(default=None, repr=False)

    def rules(self) -> list[LearnedRule]:
        """What would have let them through; empty where no rule of an allowlist does."""
        return [] if self.observations is None else learned_rules(self.observations).rules


class Denials:
    """Feed it with records of requests."""

    def __init__(self) -> None:
        self.omitted = 0
        self._denials: dict[_Key, Denial] = {}

    def take(self, entry: Entry) -> None:
        """Note a request that was denied."""
        if entry.action != "reject":
            return
        key = (entry.host, entry.client, entry.rejected_by, entry.reason)
        denial = self._denials.get(key)
        if denial is None:
            if len(self._denials) >= MAX_DENIALS:
                self.omitted += 1
                return
            denial = self._denials[key] = Denial(*key, first=entry.time)
        denial.requests += 1
        denial.last = entry.time
        if past_verdict(entry) is Verdict.DENIED:
            if denial.observations is None:
                names = (entry.client,) if entry.client else ()
                denial.observations = Observations(names, include_denied=True, max_paths=_MAX_PATHS)
            denial.observations.take(entry)

    def most_first(self) -> list[Denial]:
        """Those with the most requests first."""
        return sorted(self._denials.values(), key=lambda each: (-each.requests, each.host, each.reason))
