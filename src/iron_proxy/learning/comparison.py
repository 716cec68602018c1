"""
Learned rules beside those of a configuration: which are new, which are narrower, and which of the old nobody needed.

Called by `cli/learn.py` for `-from-config`. Pure.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from iron_proxy.audit_reading.terminal_text import escaped
from iron_proxy.inspection.coverage import covers, possible_coverers
from iron_proxy.learning.judge import made_up_request
from iron_proxy.learning.observations import Observations, questions_of
from iron_proxy.learning.questions import OPENING
from iron_proxy.learning.rule_text import counted
from iron_proxy.learning.rules import LearnedRule
from iron_proxy.matching.rule import Rule
from iron_proxy.matching.rule_index import RuleIndex


@dataclass(frozen=True, slots=True)
class RuleUse:
    """A rule of the configuration, and how many of the requests it was the first to admit."""

    rule: Rule
    requests: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    `added`: learned rules that admit something the configuration does not. `narrowed`: learned rules, each with the
    rule of the configuration that admits all of it and more. `same`: those that are in both. `unused`: rules that no
    request needed.
    """

    added: tuple[LearnedRule, ...]
    narrowed: tuple[tuple[LearnedRule, Rule], ...]
    same: tuple[tuple[LearnedRule, Rule], ...]
    used: tuple[RuleUse, ...]
    unused: tuple[Rule, ...]


def compare(observations: Observations, learned: Sequence[LearnedRule], configured: RuleIndex) -> Comparison:
    """Hold them against each other."""
    added, narrowed, same = [], [], []
    for rule in learned:
        compiled = rule.compiled()
        wider = next((other for other in possible_coverers(compiled, configured) if covers(other, compiled)), None)
        if wider is None:
            added.append(rule)
        elif covers(compiled, wider):
            same.append((rule, wider))
        else:
            narrowed.append((rule, wider))
    uses = _uses(observations, configured)
    used = tuple(RuleUse(rule, uses[rule]) for rule in configured.rules if uses[rule])
    unused = tuple(rule for rule in configured.rules if not uses[rule])
    return Comparison(tuple(added), tuple(narrowed), tuple(same), used, unused)


def _uses(observations: Observations, configured: RuleIndex) -> Counter[Rule]:
    uses: Counter[Rule] = Counter()
    for question, count in questions_of(observations.asked):
        if question.method == OPENING:
            rule = configured.first_possible(question.target, question.client)
        else:
            rule = configured.first_match(made_up_request(question))
        if rule is not None:
            uses[rule] += count
    return uses


# --- in words -------------------------------------------------------------------------------------------------------


def comparison_sentences(comparison: Comparison, source: str) -> Iterator[str]:
    """The difference, a line each: `+` added, `~` narrowed, `=` the same, `-` not needed."""
    name = escaped(source)
    yield f"Compared with {name}:"
    for rule in comparison.added:
        yield f"  + {_short(rule)}"
    for rule, wider in comparison.narrowed:
        yield f"  ~ {_short(rule)}, of {_placed(wider)}"
    for rule, other in comparison.same:
        yield f"  = {_short(rule)}, as {_placed(other)}"
    for unused in comparison.unused:
        yield f"  - {_placed(unused)}: no request needed it"


def _short(rule: LearnedRule) -> str:
    methods = " ".join(rule.methods) or "any method"
    paths = f", {counted(len(rule.patterns), 'path')}" if rule.patterns else ""
    clients = f", for {', '.join(rule.clients)}" if rule.clients else ""
    return escaped(f"{rule.target} {methods}{paths}{clients} ({counted(rule.requests, 'request')})")


def _placed(rule: Rule) -> str:
    line = f", line {rule.line}" if rule.line is not None else ""
    return escaped(f"{rule.place}{line} ({rule.describe()})")
