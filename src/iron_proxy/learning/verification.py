"""
Learned rules put to the proof by the engine that will enforce them, on everything that was observed.

Called by `cli/learn.py` before it writes anything, with the configuration as it would be loaded.
"""

from dataclasses import dataclass

from iron_proxy.learning.judge import Judge
from iron_proxy.learning.observations import Observations, questions_of


@dataclass(frozen=True, slots=True)
class Proof:
    """Requests, not questions: how many that were seen are not let through, and how many that were denied are."""

    not_covered: int
    denied_before: int


async def proof_of(observations: Observations, judge: Judge) -> Proof:
    """Ask everything again."""
    not_covered = denied_before = 0
    for question, count in questions_of(observations.asked):
        judgement = await judge.judge(question, "")
        not_covered += 0 if judgement.verdict.lets_through else count
    for question, count in questions_of(observations.denied):
        judgement = await judge.judge(question, "")
        denied_before += count if judgement.verdict.lets_through else 0
    return Proof(not_covered, denied_before)
