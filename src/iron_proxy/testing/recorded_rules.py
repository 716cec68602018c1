"""The file that `--egress-record` writes: the rules that the tests needed, as `iron-proxy learn` makes them. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import ValidationError, convert

from iron_proxy.audit_reading.entries import Entry
from iron_proxy.learning.observations import Observations
from iron_proxy.learning.rule_text import rules_lines
from iron_proxy.learning.rules import LearnedRule, learned_rules
from iron_proxy.testing.allowed_egress import target_of
from iron_proxy.testing.egress_seen import MARK_DOMAIN, Seen

_HEADER: Final = (
    "# What the tests reached, written by pytest --egress-record. Read it before you rely on it: each rule is a",
    "# proposal. The key egress_rules in the configuration of pytest names this file.",
)
_PAST: Final = "past the proxy: methods and paths cannot be seen, so any are allowed"


def recorded_rules(records: Iterable[Mapping[str, Any]], seen: Iterable[Seen]) -> str:
    """The text of the file."""
    observations = Observations()
    for entry in _entries(records):
        observations.take(entry)
    direct = Counter((each.host, each.port) for each in seen if not each.scheme and not each.is_lookup)
    past = [
        LearnedRule(target, (), (), (), (), count, (_PAST,))
        for place, count in sorted(direct.items())
        if (target := target_of(*place)) is not None
    ]
    return "\n".join([*_HEADER, *rules_lines([*learned_rules(observations).rules, *past]), ""])


def _entries(records: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    for record in records:
        try:
            entry = convert(record, Entry)
        except ValidationError:  # an event with fields of its own
            continue
        if entry.is_request and MARK_DOMAIN not in entry.host:
            yield entry
