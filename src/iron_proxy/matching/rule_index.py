"""
Many rules compiled so that asking them costs the same however many there are.

Per host, the rules whose host or CIDR covers it are found once (a dict of exact names, the suffixes walked label by
label, RE2 sets for the shell patterns, one dict per CIDR length) and kept in a bounded cache; a request is then
compared with those few only, or where they are many with those that have its path (`host_rules.py`). Whoever grants
something asks `first_match`; whoever takes away or watches asks `applies_to`. Both answer in the order of the
configuration.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from iron_proxy.matching.glob_sets import GlobSets
from iron_proxy.matching.host_patterns import Address, address_of
from iron_proxy.matching.host_rules import HostRules
from iron_proxy.matching.rule import Mismatch, Rule
from iron_proxy.matching.rule_group import Placed, RuleGroup
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request

# A workload talks to tens of hosts. An entry is some 400 bytes plus its rules' references, so a client that invents
# hosts fills at most some 400 KiB per index; a miss costs microseconds, not a look at every rule.
HOSTS_REMEMBERED = 1024
# Up to so many comparisons one by one are faster than a group of rules is.
_FEW_COMPARISONS = 4
# A host that no rule has costs no object of its own, however many of them a client invents.
_NO_RULES = HostRules(())


class RuleIndex:
    """Rules in configured order. Immutable once built; shared by all requests."""

    __slots__ = ("_hosts", "of_host", "rules")

    def __init__(self, rules: Iterable[Rule], hosts_remembered: int = HOSTS_REMEMBERED) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        self._hosts = _HostIndex(self.rules)
        # The rules that cover a canonical host. The cache knows that object and not this one: an index that a reload
        # has replaced goes at once, and does not wait for the collector.
        self.of_host = lru_cache(maxsize=hosts_remembered)(self._hosts.find)

    def __len__(self) -> int:
        return len(self.rules)

    def first_match(self, request: Request) -> Rule | None:
        """The first rule that the whole request fits, or None."""
        return self.of_host(request.target.host).first_match(request)

    def fitting(self, request: Request) -> list[Rule]:
        """Every rule that the whole request fits."""
        return self.of_host(request.target.host).fitting(request)

    def first_possible(self, target: Target, client: str = "") -> Rule | None:
        """The first rule that some request of this client to this host and port could fit, or None."""
        return next(self.possible_kinds(target, client), None)

    def possible_kinds(self, target: Target, client: str = "") -> Iterator[Rule]:
        """Of each kind (see `HostRules`) the first rule that some request of this client to this port could fit."""
        for rule in self.of_host(target.host).kinds:
            if rule.admits_port(target.port) and rule.admits_client(client):
                yield rule

    def applies_to(self, request: Request) -> bool:
        """
        Whether a rule fits, where an ambiguous path counts as fitting.

        For transforms that restrict or record: an odd spelling of the path must not be a way round them.
        """
        return self.of_host(request.target.host).applies_to(request)

    def nearest_miss(self, request: Request) -> Mismatch | None:
        """How near `first_match` came where it found nothing; None when no rule has the host."""
        return self.of_host(request.target.host).nearest_miss(request)

    def candidates(self, host: str) -> tuple[Rule, ...]:
        """Every rule whose host or CIDR covers a canonical host. Nothing is remembered: requests do not ask this."""
        positions = [position for same in self._hosts.covering(host) for position in same]
        return tuple(self.rules[position] for position in sorted(positions))


class _HostIndex:
    """Which rules cover a host. Immutable once built."""

    __slots__ = ("_any", "_cidrs", "_exact", "_globs", "_groups", "_rules", "_suffixes")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        # The positions of the rules with the same host or CIDR, by what that is.
        self._any: list[int] = []
        self._exact: dict[str, list[int]] = {}
        self._suffixes: dict[str, list[int]] = {}
        self._cidrs: dict[tuple[int, int], dict[int, list[int]]] = {}  # (version, shift) → network → rules
        globs: dict[str, list[int]] = {}
        for position, rule in enumerate(rules):
            self._add(position, rule, globs)
        self._globs = GlobSets(globs.items(), is_ascii=True)  # canonical hosts are
        self._groups: dict[int, RuleGroup] = {}  # by the position of the first rule
        self._add_groups([self._any, *self._exact.values(), *self._suffixes.values(), *globs.values()])
        self._add_groups(positions for networks in self._cidrs.values() for positions in networks.values())

    def find(self, host: str) -> HostRules:
        """The rules that cover a canonical host, ready to be compared with requests."""
        covering = self.covering(host)
        if not covering:
            return _NO_RULES
        single: list[Placed] = []
        groups: list[RuleGroup] = []
        for positions in covering:
            group = self._groups.get(positions[0])
            if group is None:
                single += self._placed(positions)
            else:
                groups.append(group)
        return HostRules(single, groups)

    def covering(self, host: str) -> list[list[int]]:
        """The positions of the rules that cover a canonical host: a list for each spelling of a host that does."""
        found = self._globs.matching(host)
        if self._suffixes:
            found += self._suffixes_of(host)
        if self._cidrs:
            found += self._networks_of(address_of(host))
        if self._any:
            found.append(self._any)
        if host in self._exact:
            found.append(self._exact[host])
        return found

    def _add(self, position: int, rule: Rule, globs: dict[str, list[int]]) -> None:
        pattern = rule.host
        if rule.cidr is not None:
            shift = (32 if rule.cidr.version == 4 else 128) - rule.cidr.prefix_length
            networks = self._cidrs.setdefault((rule.cidr.version, shift), {})
            networks.setdefault(rule.cidr.first >> shift, []).append(position)
        elif pattern is None:
            return  # names no destination: matches none
        elif pattern.matches_all:
            self._any.append(position)
        elif pattern.exact is not None:
            self._exact.setdefault(pattern.exact, []).append(position)
        elif pattern.suffix is not None:
            self._suffixes.setdefault(pattern.suffix, []).append(position)
        else:
            globs.setdefault(pattern.glob or "", []).append(position)

    def _add_groups(self, lists: Iterable[list[int]]) -> None:
        for positions in lists:
            if sum(self._rules[position].comparisons for position in positions) > _FEW_COMPARISONS:
                self._groups[positions[0]] = RuleGroup(self._placed(positions))

    def _placed(self, positions: Iterable[int]) -> list[Placed]:
        return [(position, self._rules[position]) for position in positions]

    def _suffixes_of(self, host: str) -> Iterator[list[int]]:
        rest = host
        while rest:
            if rest in self._suffixes:
                yield self._suffixes[rest]
            rest = rest.partition(".")[2]

    def _networks_of(self, address: Address | None) -> Iterator[list[int]]:
        version, number = address or (0, 0)
        for (network_version, shift), networks in self._cidrs.items():
            if network_version == version and number >> shift in networks:
                yield networks[number >> shift]
