"""What came of each case: a verdict that rests on what was seen on this side and on what arrived on the other. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from iron_proxy.selftest.arrivals import Arrival, marked_in
from iron_proxy.selftest.case import Case
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.trial import Trial


class Verdict(Enum):
    """How a case ended."""

    HELD = "held"
    GOT_OUT = "got out"
    NOT_TESTED = "not tested"


@dataclass(frozen=True, slots=True)
class Finding:
    """One case's end, with what was seen."""

    case: Case
    verdict: Verdict
    evidence: tuple[str, ...]  # got out: what proves it; not tested: what is missing; held: what came back


@dataclass(frozen=True, slots=True)
class Findings:
    """A whole selftest."""

    place: Place
    control: str  # "" or why nothing could be tested
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def deaf(self) -> list[Endpoint]:
        """Denied endpoints at whose port the canary does not listen: that nothing arrived there proves nothing."""
        if self.place.canary is None:
            return []
        return [endpoint for endpoint in self.place.denied if endpoint.port not in self.place.hears("tcp")]

    def of(self, verdict: Verdict) -> list[Finding]:
        """Those that ended so."""
        return [finding for finding in self.findings if finding.verdict is verdict]


def judge(case: Case, trial: Trial, listed: Sequence[Arrival]) -> Finding:
    """The verdict on a case that was tried. `listed` is what the canary lists for the whole run."""
    # With a trailing hyphen: "smuggle-nul" is no beginning of another case's token then.
    beginning = f"ipst-{trial.place.run}-{case.name}-"
    told = [arrival for answer in trial.received for arrival in marked_in(answer)]
    mine = [
        each
        for each in (*told, *listed)
        if each.token.startswith(beginning) and each.token[len(beginning) :].removesuffix("-end").isdigit()
    ]
    proofs = [*trial.proofs, *(_sentence(each) for each in mine if case.counts(each, trial.place))]
    if proofs:
        return Finding(case, Verdict.GOT_OUT, tuple(dict.fromkeys(proofs)))
    if trial.obstacle:
        return Finding(case, Verdict.NOT_TESTED, (trial.obstacle,))
    if not trial.notes:
        return Finding(case, Verdict.NOT_TESTED, ("nothing was tried: no endpoint fits",))
    return Finding(case, Verdict.HELD, tuple(trial.notes))


def _sentence(arrival: Arrival) -> str:
    names = f" for {', '.join(sorted(arrival.names))}" if arrival.names else ""
    return f"the canary got {arrival.transport.upper()} at port {arrival.port}{names}"
