"""
Observations → the fewest rules that cover them, each as narrow as what was seen.

Requests with the same destination, methods and path patterns share a rule. What could not be seen or named is said on
the rule (`notes`), and so is everything that a rule covers beyond what was seen. `rule_text.py` writes them down. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from iron_proxy.inspection.coverage import covers
from iron_proxy.learning.denied_paths import Budget, DeniedPaths
from iron_proxy.learning.generalizing import DEFAULT_MAX_NAMES, SeenPattern, generalize
from iron_proxy.learning.observations import Group, Observations, SeenPaths
from iron_proxy.learning.questions import OPENING, PASSED_THROUGH
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.matching.path_patterns import PathPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.messages.authority import Target

_UNSEEN = "TLS that was passed through: methods and paths cannot be seen, so any are allowed"
_UNNAMEABLE = "{} for paths that no rule can name, so any path is allowed"
_REFUSED = "the tunnel was denied, so nobody knows what would have come inside: anything is allowed there"
_ONLY_OPENED = "only for the opening of a tunnel: nothing is allowed inside"


@dataclass(frozen=True, slots=True)
class LearnedRule:
    """
    One rule. Without methods it is for TLS that is passed through, without patterns for any path.

    `clients` is empty for every client. `requests` is how many of those seen the rule covers.
    """

    target: Target
    schemes: tuple[str, ...]
    methods: tuple[str, ...]
    patterns: tuple[SeenPattern, ...]
    clients: tuple[str, ...]
    requests: int
    notes: tuple[str, ...] = ()

    def compiled(self) -> Rule:
        """As the engine has it."""
        return Rule(
            host=HostPattern.parse(self.target.host),
            methods=frozenset(self.methods),
            paths=tuple(PathPattern.parse(pattern.text) for pattern in self.patterns),
            ports=frozenset((self.target.port,)),
            schemes=frozenset(self.schemes),
            clients=frozenset(self.clients),
        )

    def mapping(self) -> dict[str, object]:
        """As an element of an allowlist's `rules:`."""
        keys: dict[str, object] = {"host": self.target.host}
        if self.schemes:
            keys["schemes"] = list(self.schemes)
        keys["ports"] = [self.target.port]
        if self.clients:
            keys["clients"] = list(self.clients)
        if self.methods:
            keys["methods"] = list(self.methods)
        if self.patterns:
            keys["paths"] = [pattern.text for pattern in self.patterns]
        return keys


@dataclass(slots=True)
class LearnedRules:
    """All of them, by host; and how many requests of how many patterns were seen too seldom for one."""

    rules: list[LearnedRule] = field(default_factory=list)
    seldom_requests: int = 0
    seldom_patterns: int = 0


_Compiled = tuple[LearnedRule, Rule]


@dataclass(frozen=True, slots=True)
class _Part:
    """What one group of requests needs; parts that differ in one thing only become one rule."""

    group: Group
    patterns: tuple[SeenPattern, ...]
    requests: int
    note: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(pattern.text for pattern in self.patterns)


def learned_rules(
    observations: Observations, *, min_count: int = 1, max_names: int = DEFAULT_MAX_NAMES
) -> LearnedRules:
    """
    The rules. Patterns that fewer than `min_count` requests had are left out and counted.

    `max_names`: so many different names in one place of a path are a list; more are a wildcard. 0 is no limit.
    """
    learned, denials = LearnedRules(), _Denials(observations.denied)
    parts: list[_Part] = []
    for group, seen in observations.asked.items():
        if group.method == OPENING:
            continue
        part = _part_of(group, seen, denials.beside(group), max_names)
        parts += _often_enough(part, min_count, learned)
    learned.rules = _without_covered(_joined(parts))
    learned.rules += _openings(observations, learned, min_count)
    learned.rules.sort(key=lambda rule: (rule.target, rule.schemes, rule.methods, rule.clients))
    return learned


def _part_of(group: Group, seen: SeenPaths, denied: DeniedPaths, max_names: int) -> _Part:
    if group.method == PASSED_THROUGH:
        return _Part(group, (), seen.requests, _UNSEEN)
    if seen.pathless:
        return _Part(group, (), seen.requests, _UNNAMEABLE.format(_requests(seen.pathless)))
    return _Part(group, tuple(generalize(seen.paths, seen.shapes, denied, max_names)), seen.requests)


def _requests(count: int) -> str:
    return "1 request was" if count == 1 else f"{count} requests were"


class _Denials:
    """What was denied, by all that a request is but its client and its path."""

    def __init__(self, denied: Mapping[Group, SeenPaths]) -> None:
        self._budget = Budget()
        self._groups: dict[Group, list[tuple[str, SeenPaths]]] = defaultdict(list)
        for group, seen in denied.items():
            self._groups[group._replace(client="")].append((group.client, seen))

    def beside(self, group: Group) -> DeniedPaths:
        """The paths that a pattern for this group must not cover. A rule for clients without a name is one for all."""
        others = self._groups.get(group._replace(client=""), ())
        denied = (seen for client, seen in others if not group.client or client == group.client)
        return DeniedPaths((path for seen in denied for path in seen.paths), self._budget)


def _often_enough(part: _Part, min_count: int, learned: LearnedRules) -> Iterator[_Part]:
    if not part.patterns:
        if part.requests >= min_count:
            yield part
        else:
            _leave_out(learned, part.requests, 1)
        return
    kept = tuple(pattern for pattern in part.patterns if pattern.requests >= min_count)
    requests = sum(pattern.requests for pattern in kept)
    _leave_out(learned, part.requests - requests, len(part.patterns) - len(kept))
    if kept:
        yield _Part(part.group, kept, requests, part.note)


def _leave_out(learned: LearnedRules, requests: int, patterns: int) -> None:
    learned.seldom_requests += requests
    learned.seldom_patterns += patterns


# --- parts that become one rule -------------------------------------------------------------------------------------


def _joined(parts: Iterable[_Part]) -> Iterator[LearnedRule]:
    """Parts with the same patterns first share a rule for their clients, then rules for the same clients a method."""
    by_client: dict[tuple[object, ...], list[_Part]] = defaultdict(list)
    for part in parts:
        by_client[part.group._replace(client=""), part.texts, part.note != ""].append(part)
    by_method: dict[tuple[object, ...], list[_Part]] = defaultdict(list)
    for same in by_client.values():
        group = same[0].group
        is_passed = group.method == PASSED_THROUGH         # of a rule with methods it would be nothing
        key = group._replace(client="", method=""), is_passed, _clients(same), same[0].texts, same[0].note != ""
        by_method[key] += same
    for same in by_method.values():
        yield _rule_of(same)


def _clients(parts: Iterable[_Part]) -> tuple[str, ...]:
    """Of whom a rule is; of everybody as soon as somebody without a name is among them."""
    names = {part.group.client for part in parts}
    return () if "" in names else tuple(sorted(names))


def _without_covered(rules: Iterable[LearnedRule]) -> list[LearnedRule]:
    """Rules that another one makes superfluous, such as one for any method, are counted with it."""
    by_target: dict[Target, list[_Compiled]] = defaultdict(list)
    for rule in rules:
        by_target[rule.target].append((rule, rule.compiled()))
    kept: list[LearnedRule] = []
    for same in by_target.values():
        widest = [each for each in same if not any(covers(wide, each[1]) for _, wide in same if wide is not each[1])]
        kept += (_with_what_it_covers(each, same, widest) for each in widest)
    return kept


def _with_what_it_covers(
    own: _Compiled, rules: Iterable[_Compiled], widest: Iterable[_Compiled]
) -> LearnedRule:
    """The rule with the requests of those that are left out because of it."""
    requests = 0
    for rule, compiled in rules:
        first = next(wide for wide in widest if wide[1] is compiled or covers(wide[1], compiled))
        requests += rule.requests if first is own else 0
    return replace(own[0], requests=requests)


def _rule_of(parts: list[_Part]) -> LearnedRule:
    first = parts[0].group
    return LearnedRule(
        target=first.target,
        schemes=(first.scheme,),
        methods=tuple(sorted({part.group.method for part in parts} - {PASSED_THROUGH})),
        patterns=_summed(parts),
        clients=_clients(parts),
        requests=sum(part.requests for part in parts),
        notes=tuple(dict.fromkeys(part.note for part in parts if part.note)),
    )


def _summed(parts: Iterable[_Part]) -> tuple[SeenPattern, ...]:
    """The patterns, the same in all parts, with their counts added up."""
    columns = zip(*(part.patterns for part in parts), strict=True)
    return tuple(
        SeenPattern(
            same[0].text,
            sum(each.requests for each in same),
            max(each.paths for each in same),
            same[0].has_wildcards,
        )
        for same in columns
    )


# --- tunnels --------------------------------------------------------------------------------------------------------


def _openings(observations: Observations, learned: LearnedRules, min_count: int) -> list[LearnedRule]:
    """Rules for tunnels that no other rule opens: the method CONNECT is refused inside, so they allow no more."""
    opened: dict[Target, list[LearnedRule]] = defaultdict(list)
    for rule in learned.rules:
        opened[rule.target].append(rule)
    needed: dict[Target, list[tuple[str, int]]] = defaultdict(list)
    for group, seen in observations.asked.items():
        if group.method != OPENING or any(_is_for(rule, group.client) for rule in opened[group.target]):
            continue
        if seen.requests >= min_count:
            needed[group.target].append((group.client, seen.requests))
        else:
            _leave_out(learned, seen.requests, 1)
    refused = observations.refused_tunnels
    return [_opening_rule(target, openings, target in refused) for target, openings in needed.items()]


def _is_for(rule: LearnedRule, client: str) -> bool:
    return not rule.clients or client in rule.clients


def _opening_rule(target: Target, openings: list[tuple[str, int]], is_refused: bool) -> LearnedRule:
    names = {client for client, _ in openings}
    clients = () if "" in names else tuple(sorted(names))
    requests = sum(count for _, count in openings)
    methods, note = ((), _REFUSED) if is_refused else ((OPENING,), _ONLY_OPENED)
    return LearnedRule(target, (), methods, (), clients, requests, (note,))
