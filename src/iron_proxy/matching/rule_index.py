"""
Many rules compiled so that asking them costs the same however many there are.

Per host, the rules whose host or CIDR covers it are found once (a dict of exact names, the suffixes walked label by
label, RE2 sets for the shell patterns, one dict per CIDR length) and kept in a bounded cache; a request is then
compared with those few only. Whoever grants something asks `first_match`; whoever takes away or watches asks
`applies_to`. Both answer in the order of the configuration.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import re2

from iron_proxy.go_compat.path_match import regex_of_glob
from iron_proxy.matching.glob import quiet_options
from iron_proxy.matching.host_patterns import Address, HostPattern, address_of
from iron_proxy.matching.rule import Mismatch, Rule
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request

# A workload talks to tens of hosts. An entry is some 200 bytes plus its rules' references, so a client that invents
# hosts fills at most some 200 KiB per index; a miss costs microseconds, not a look at every rule.
HOSTS_REMEMBERED = 1024
# Globs per RE2 set. One set of 5,000 spends 0.5 to 1.3 ms on a host it has not seen, building automaton states that it
# throws away again; twenty sets of 256 spend 0.04 to 0.1 ms, and the usual few fit one set and cost 1.3 µs.
_GLOBS_PER_SET = 256
# A set's automaton grows with the hosts seen and starts over when it is full. One that does not fit at all is divided.
_SET_MEMORY = 16 * 1024 * 1024
_NEAREST_FIRST = (
    Mismatch.AMBIGUOUS_PATH, Mismatch.METHOD_OR_PATH, Mismatch.SCHEME, Mismatch.PORT, Mismatch.CLIENT
)  # fmt: skip
# Matches itself in every set, and is no host.
_PROBE = "/probe"


class RuleIndex:
    """Rules in configured order. Immutable once built; shared by all requests."""

    __slots__ = ("_any", "_cidrs", "_exact", "_globs", "_suffixes", "candidates", "rules")

    def __init__(self, rules: Iterable[Rule], hosts_remembered: int = HOSTS_REMEMBERED) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        self._any: list[int] = []
        self._exact: dict[str, list[int]] = {}
        self._suffixes: dict[str, list[int]] = {}
        self._cidrs: dict[tuple[int, int], dict[int, list[int]]] = {}  # (version, shift) → network → rules
        globs: list[tuple[int, HostPattern]] = []
        for position, rule in enumerate(self.rules):
            self._add(position, rule, globs)
        self._globs = _GlobSets(globs)
        # The rules whose host part covers a canonical host, in configured order.
        self.candidates = lru_cache(maxsize=hosts_remembered)(self._find)

    def __len__(self) -> int:
        return len(self.rules)

    def first_match(self, request: Request) -> Rule | None:
        """The first rule that the whole request fits, or None."""
        for rule in self.candidates(request.target.host):
            if rule.is_host_only or rule.mismatch_of(request) is None:
                return rule
        return None

    def first_possible(self, target: Target, client: str = "") -> Rule | None:
        """The first rule that some request of this client to this host and port could fit, or None."""
        for rule in self.candidates(target.host):
            if rule.admits_port(target.port) and rule.admits_client(client):
                return rule
        return None

    def applies_to(self, request: Request) -> bool:
        """
        Whether a rule fits, where an ambiguous path counts as fitting.

        For transforms that restrict or record: an odd spelling of the path must not be a way round them.
        """
        return any(
            rule.is_host_only or rule.mismatch_of(request) in (None, Mismatch.AMBIGUOUS_PATH)
            for rule in self.candidates(request.target.host)
        )

    def nearest_miss(self, request: Request) -> Mismatch | None:
        """How near `first_match` came where it found nothing; None when no rule has the host."""
        misses = {rule.mismatch_of(request) for rule in self.candidates(request.target.host)}
        return next((nearest for nearest in _NEAREST_FIRST if nearest in misses), None)

    def _add(self, position: int, rule: Rule, globs: list[tuple[int, HostPattern]]) -> None:
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
            globs.append((position, pattern))

    def _find(self, host: str) -> tuple[Rule, ...]:
        positions = [*self._any, *self._exact.get(host, ()), *self._globs.matching(host)]
        if self._suffixes:
            self._find_suffixes(host, positions)
        if self._cidrs:
            address = address_of(host)
            if address is not None:
                self._find_networks(address, positions)
        return tuple(self.rules[position] for position in sorted(positions))

    def _find_suffixes(self, host: str, positions: list[int]) -> None:
        rest = host
        while rest:
            positions.extend(self._suffixes.get(rest, ()))
            rest = rest.partition(".")[2]

    def _find_networks(self, address: Address, positions: list[int]) -> None:
        version, number = address
        for (network_version, shift), networks in self._cidrs.items():
            if network_version == version:
                positions.extend(networks.get(number >> shift, ()))


class _GlobSets:
    """The shell patterns among the rules, compiled together: one look at the host per set, not per pattern."""

    __slots__ = ("_parts",)

    def __init__(self, positioned: Sequence[tuple[int, HostPattern]]) -> None:
        self._parts: list[tuple[Any, list[int]]] = []  # Any: google-re2 ships no types
        for start in range(0, len(positioned), _GLOBS_PER_SET):
            self._add(positioned[start : start + _GLOBS_PER_SET])

    def _add(self, positioned: Sequence[tuple[int, HostPattern]]) -> None:
        compiled = _compiled_set([pattern.glob or "" for _, pattern in positioned])
        if compiled is not None:
            self._parts.append((compiled, [position for position, _ in positioned]))
        elif len(positioned) > 1:
            half = len(positioned) // 2
            self._add(positioned[:half])
            self._add(positioned[half:])
        else:
            raise ValueError(f'"{positioned[0][1].text}": too large a pattern')

    def matching(self, host: str) -> list[int]:
        """The positions of the patterns that cover a host, in no order."""
        found: list[int] = []
        for compiled, positions in self._parts:
            found.extend(positions[index] for index in compiled.Match(host) or ())
        return found


def _compiled_set(globs: list[str]) -> Any:  # Any: as above
    options = quiet_options()
    options.max_mem = _SET_MEMORY
    # Canonical hosts are ASCII; without UTF-8 sequences the automaton is smaller by a third.
    options.encoding = re2.Options.Encoding.LATIN1
    compiled = re2.Set.FullMatchSet(options)
    try:
        for glob in globs:
            compiled.Add(regex_of_glob(glob).encode("ascii"))
        probe = compiled.Add(_PROBE.encode("ascii"))
        compiled.Compile()
    except re2.error:
        return None
    # RE2 reports an automaton that does not fit as "no match" on every text: a rule would silently not apply.
    return compiled if probe in (compiled.Match(_PROBE) or ()) else None
