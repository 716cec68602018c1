"""
Which tokens count where, compiled for the entries that apply to a request.

What depends on the configuration and the destination alone is worked out once and kept: per destination the entries
that could apply, per set of entries a `Plan`. A request to a host without secrets costs one look into a dict.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from iron_proxy.matching.rule import Rule
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.transforms.secrets.base64_text import Base64Search
from iron_proxy.transforms.secrets.body_spellings import Spelling
from iron_proxy.transforms.secrets.body_tokens import SpelledTokens
from iron_proxy.transforms.secrets.entries import Entry, Replacement
from iron_proxy.transforms.secrets.scrubbers import SentLedger, SentSecrets
from iron_proxy.transforms.secrets.tokens import TokenSet, longer_tokens

# Clients choose hosts, ports and header names: what is remembered about them is bounded. A workload uses tens.
_TARGETS_REMEMBERED = 1024
_PLANS_REMEMBERED = 256
_NAMES_REMEMBERED = 256

_AUTHORIZATION = b"authorization"


class Owner(NamedTuple):
    """An entry whose token counts at some place, and what the audit record calls the place."""

    entry: Entry
    location: str
    once: bool = True  # named once however many values hold the token


class Scanner:
    """The tokens that count at one place (`owners`, in configured order), compiled with what may shadow them."""

    __slots__ = ("is_authorization", "owners", "search", "tokens", "wire_name")

    def __init__(
        self,
        owners: dict[bytes, tuple[Owner, ...]],
        tokens: TokenSet,
        wire_name: bytes | None = None,
        is_authorization: bool = False,
    ) -> None:
        self.owners = owners
        self.tokens = tokens
        self.search = tokens.search
        self.wire_name = wire_name  # the spelling that an operator wants on the wire
        self.is_authorization = is_authorization


class BodyScanner(Scanner):
    """
    The tokens that count in bodies. For each spelling they are compiled when the first such body comes.

    `wants_whole`: some entry wants bodies held, for their size or for what can be found in no other way.
    """

    __slots__ = ("_owners_by_way", "_spelled", "base64", "sees_compressed", "wants_whole")

    def __init__(self, owners: dict[bytes, tuple[Owner, ...]], tokens: TokenSet) -> None:
        super().__init__(owners, tokens)
        self._spelled: dict[str, SpelledTokens] = {}
        self._owners_by_way: dict[tuple[bytes, str, bool], tuple[Owner, ...]] = {}
        how = [owner.entry.replacement for each in owners.values() for owner in each if owner.entry.replacement]
        encodings = frozenset[str]().union(*(each.encodings for each in how))
        self.sees_compressed = "compressed" in encodings
        self.base64 = Base64Search(tokens) if "base64" in encodings else None
        self.wants_whole = self.base64 is not None or any(each.on_oversize == "reject" for each in how)

    def spelled(self, spelling: Spelling) -> SpelledTokens:
        """The tokens in one spelling."""
        tokens = self._spelled.get(spelling.name)
        if tokens is None:
            tokens = self._spelled[spelling.name] = SpelledTokens(self.tokens.tokens, spelling)
        return tokens

    def owners_of(self, token: bytes, way: str, *, is_compressed: bool) -> tuple[Owner, ...]:
        """Whose token it is where it is written in this way: "" is plainly, or one of the entries' `encodings`."""
        key = (token, way, is_compressed)
        owners = self._owners_by_way.get(key)
        if owners is None:
            needed = {way, "compressed" if is_compressed else ""} - {""}
            owners = tuple(owner for owner in self.owners.get(token, ()) if needed <= _encodings_of(owner.entry))
            if token in self.owners:              # not what may shadow them: a client can name any boundary
                self._owners_by_way[key] = owners
        return owners


class Plan:
    """What to look for in the requests that one set of entries applies to."""

    __slots__ = (
        "_compiled", "_longer", "ambiguous", "body", "entries", "fitting", "is_headers_only", "message_swaps",
        "messages", "names", "path", "query",
    )  # fmt: skip

    def __init__(
        self, entries: tuple[Entry, ...], ambiguous: Entry | None, longer: dict[bytes, frozenset[bytes]]
    ) -> None:
        self.entries = entries
        self.ambiguous = ambiguous  # requires its token, and its rules cannot be decided on this path
        self._longer = longer
        self._compiled: dict[frozenset[bytes], TokenSet] = {}
        self.names: dict[bytes, Scanner | None] = {}  # what `header` has answered
        replaced = [(entry, entry.replacement) for entry in entries if entry.replacement is not None]
        self.fitting = frozenset(how.token for _, how in replaced)  # the tokens that belong in these requests
        self.query = self._scanner((entry, how.token) for entry, how in replaced if how.in_query)
        self.path = self._scanner(((entry, how.token) for entry, how in replaced if how.in_path), "path")
        self.body = self._body_scanner((entry, how.token) for entry, how in replaced if how.in_body)
        self.messages = self._scanner((entry, how.token) for entry, how in replaced if how.in_websocket)
        self.message_swaps: Any = None  # what `messages` become with the secrets of the last session: message_swaps.py
        # Only header fields matter, and no entry demands or injects anything.
        self.is_headers_only = (
            all(part is None for part in (self.query, self.path, self.body, ambiguous))
            and len(replaced) == len(entries)
            and not any(entry.require for entry in entries)
        )

    def header(self, name: bytes) -> Scanner | None:
        """What counts in fields of this name, in the client's spelling."""
        if name in self.names:
            return self.names[name]
        scanner = self._header_scanner(name)
        if len(self.names) < _NAMES_REMEMBERED:
            self.names[name] = scanner
        return scanner

    def _header_scanner(self, name: bytes) -> Scanner | None:
        owners: dict[bytes, tuple[Owner, ...]] = {}
        wire_name = None
        for entry in self.entries:
            how = entry.replacement
            pattern_name = None if how is None else _spelling_for(how, name)
            if how is None or pattern_name is None:
                continue
            if pattern_name:
                wire_name = pattern_name
            location = f"header:{(pattern_name or name).decode('latin-1')}"
            _add(owners, how.token, Owner(entry, location, once=bool(how.headers)))
        if not owners:
            return None
        return Scanner(owners, self._token_set(owners), wire_name, name.lower() == _AUTHORIZATION)

    def _scanner(self, wanted: Iterable[tuple[Entry, bytes]], location: str = "") -> Scanner | None:
        owners: dict[bytes, tuple[Owner, ...]] = {}
        for entry, token in wanted:
            _add(owners, token, Owner(entry, location))
        return Scanner(owners, self._token_set(owners)) if owners else None

    def _body_scanner(self, wanted: Iterable[tuple[Entry, bytes]]) -> BodyScanner | None:
        scanner = self._scanner(wanted, "body")
        return None if scanner is None else BodyScanner(scanner.owners, scanner.tokens)

    def _token_set(self, tokens: Iterable[bytes]) -> TokenSet:
        wanted = frozenset(tokens)
        wanted = wanted.union(*(self._longer.get(token, frozenset()) for token in wanted))
        if wanted not in self._compiled:
            self._compiled[wanted] = TokenSet(wanted)
        return self._compiled[wanted]


class _Destination(NamedTuple):
    """What could apply at one destination."""

    always: tuple[Entry, ...]  # these do, whatever the request
    plan: Plan | None  # for these alone
    is_fixed: bool  # no others may
    demanding: tuple[tuple[Entry, tuple[Rule, ...]], ...]  # what is required, and its rules on paths
    sent: SentSecrets  # what has gone to this host, on any port, and to all hosts with the same entries


class Plans:
    """From a request to its plan."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._positions = {entry: position for position, entry in enumerate(entries)}
        self._owners: dict[Rule, list[Entry]] = {}
        for entry in self._positions:
            for rule in entry.rules:
                self._owners.setdefault(rule, []).append(entry)
        self._index = RuleIndex(self._owners)
        # Those that a request has to be compared with.
        self._conditional = RuleIndex(rule for rule in self._owners if not rule.is_host_only)
        tokens = (entry.replacement.token for entry in self._positions if entry.replacement is not None)
        self._longer = longer_tokens(tokens)
        self._destinations: dict[Target, _Destination] = {}
        self._sent = SentLedger()
        self._plans: dict[tuple[tuple[Entry, ...], Entry | None], Plan] = {}
        # By the plan of the entries that always apply, and the rules that fit besides.
        self._extended: dict[tuple[Plan | None, tuple[Rule, ...]], Plan] = {}

    def for_request(self, request: Request) -> tuple[Plan | None, SentSecrets]:
        """The plan for a request, None when no entry applies; and what has gone to its host."""
        destination = self._destinations.get(request.target) or self._destination(request.target)
        if destination.is_fixed:
            return destination.plan, destination.sent
        fitting = self._conditional.fitting(request)
        plan = self._extended_plan(destination, tuple(fitting)) if fitting else destination.plan
        if destination.demanding and request.has_ambiguous_path:
            applicable = plan.entries if plan is not None else ()
            ambiguous = _undecided(destination, applicable, request)
            if ambiguous is not None:
                plan = self._plan(applicable, ambiguous)
        return plan, destination.sent

    def first_possible(self, target: Target, client: str = "") -> Entry | None:
        """The first entry that some request of this client to this destination could use."""
        # Rules stand in the order of their entries.
        rule = self._index.first_possible(target, client)
        return None if rule is None else self._owners[rule][0]

    def _destination(self, target: Target) -> _Destination:
        destination = self._destinations.get(target)
        if destination is None:
            if len(self._destinations) >= _TARGETS_REMEMBERED:
                self._destinations.clear()
            destination = self._destinations[target] = self._find(target)
        return destination

    def _find(self, target: Target) -> _Destination:
        covering = self._index.candidates(target.host)
        grouped: dict[Entry, list[Rule]] = {}
        for rule in covering:
            if rule.admits_port(target.port):
                for entry in self._owners[rule]:
                    grouped.setdefault(entry, []).append(rule)
        always = self._in_order(entry for entry, rules in grouped.items() if any(rule.is_host_only for rule in rules))
        demanding = tuple(
            (entry, tuple(rule for rule in grouped[entry] if rule.paths))
            for entry in self._in_order(grouped)
            if entry.require
        )
        of_host = frozenset(entry for rule in covering for entry in self._owners[rule])
        return _Destination(
            always,
            self._plan(always, None) if always else None,
            len(always) == len(grouped),
            demanding,
            self._sent.of(of_host),
        )

    def _in_order(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        return tuple(sorted(entries, key=self._positions.__getitem__))

    def _extended_plan(self, destination: _Destination, fitting: tuple[Rule, ...]) -> Plan:
        key = (destination.plan, fitting)
        plan = self._extended.get(key)
        if plan is None:
            entries = {*destination.always, *(entry for rule in fitting for entry in self._owners[rule])}
            if len(self._extended) >= _PLANS_REMEMBERED:
                self._extended.clear()
            plan = self._extended[key] = self._plan(self._in_order(entries), None)
        return plan

    def _plan(self, entries: tuple[Entry, ...], ambiguous: Entry | None) -> Plan:
        plan = self._plans.get((entries, ambiguous))
        if plan is None:
            if len(self._plans) >= _PLANS_REMEMBERED:
                self._plans.clear()
            plan = self._plans[entries, ambiguous] = Plan(entries, ambiguous, self._longer)
        return plan


def _undecided(destination: _Destination, applicable: tuple[Entry, ...], request: Request) -> Entry | None:
    """The first required entry that another reading of the path could demand. Asked of ambiguous paths only."""
    for entry, rules in destination.demanding:
        if entry not in applicable and any(rule.mismatch_besides_path(request) is None for rule in rules):
            return entry
    return None


def _add(owners: dict[bytes, tuple[Owner, ...]], token: bytes, owner: Owner) -> None:
    owners[token] = (*owners.get(token, ()), owner)


def _encodings_of(entry: Entry) -> frozenset[str]:
    return entry.replacement.encodings if entry.replacement is not None else frozenset()


def _spelling_for(replacement: Replacement, name: bytes) -> bytes | None:
    """The operator's spelling of a field to scan, b"" when the client's stays, None when it is not scanned."""
    if not replacement.headers:
        return b""
    for pattern in replacement.headers:
        if pattern.matches(name):
            return pattern.wire_name
    return None
