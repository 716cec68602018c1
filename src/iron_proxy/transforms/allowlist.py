"""
The allowlist: a request passes when a rule names its destination, and every other request is rejected with the reason.

CONNECT, SOCKS5 and server names are asked "could any rule admit this host and port?" (`admits_target`); methods, paths
and schemes bind at the request inside. `warn: true` observes: what no rule matches is forwarded and noted. Addresses
are not resolved here; that a rule names one literally is told to the dialer by `Admission.names_address`.
"""

from collections.abc import Iterable
from dataclasses import replace

from iron_proxy.config.section import Section
from iron_proxy.matching.rule import Mismatch, Rule, rules_from, rules_from_texts, warn_at
from iron_proxy.matching.rule_index import RuleIndex
from iron_proxy.messages.authority import Target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Admission, Exchange
from iron_proxy.pipeline.transform import RequestTransform, Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict

# More than other indexes remember: every host that a workload uses passes here, the denied ones too.
_HOSTS_REMEMBERED = 4096
# What a client that asks is told; None is a host that no rule has.
_CODES = {
    None: "host_not_allowed",
    Mismatch.CLIENT: "client_not_allowed",
    Mismatch.PORT: "port_not_allowed",
    Mismatch.SCHEME: "scheme_not_allowed",
    Mismatch.METHOD_OR_PATH: "method_or_path_not_allowed",
    Mismatch.AMBIGUOUS_PATH: "ambiguous_path",
}


class Allowlist:
    """See the module. `warn_only` lets everything pass and says so."""

    name = "allowlist"
    scopes = frozenset((Scope.TUNNEL, Scope.REQUEST))

    def __init__(self, rules: Iterable[Rule], *, warn_only: bool = False) -> None:
        self._index = RuleIndex(rules, _HOSTS_REMEMBERED)
        self._warn_only = warn_only
        self._settled: dict[Target, Admission] = {}
        # One Admission per rule and answer, made once.
        self._admissions = {
            (rule, named): Admission(rule.describe(), named, rule.place, rule.line)
            for rule in self._index.rules
            for named in (False, True)
        }

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in configured order."""
        return self._index.rules

    def extended(self, rules: Iterable[Rule], *, warn_only: bool = False) -> "Allowlist":
        """A new one with more rules behind these; it only observes if this one does, or `warn_only` says so."""
        return Allowlist((*self.rules, *rules), warn_only=self._warn_only or warn_only)

    @property
    def is_enforced(self) -> bool:
        """Whether what no rule matches is rejected, and not only noted."""
        return not self._warn_only

    async def on_request(self, exchange: Exchange) -> Verdict:
        """Admit the exchange, or reject it with the reason."""
        request = exchange.request
        if request.method == "CONNECT":
            admission = self._admission_of_target(request.target, request.client_name)
        else:
            admission = self._settled.get(request.target) or self._admission_of_request(request)
        if admission is not None:
            earlier = exchange.admission
            exchange.admission = admission if earlier is None else _joined(earlier, admission)
            return CONTINUE
        miss = self._miss(request)
        reason = _sentence(miss)
        if not self._warn_only:
            return Reject(reason, code=_CODES[miss])
        exchange.annotate("action", "warn")
        if exchange.admission is None:
            exchange.admission = _admission_by_warning(reason)
        return CONTINUE

    def admits_target(self, target: Target, client: str = "") -> Admission | None:
        """Whether any rule could admit some request of this client to this host and port; with `warn`, always."""
        admission = self._admission_of_target(target, client)
        if admission is None and self._warn_only:
            return _admission_by_warning(_sentence(self._target_miss(target, client)))
        return admission

    def admits_name(self, host: str, client: str = "") -> bool:
        """Whether any rule covers this host for this client, whatever the port; with `warn`, always."""
        if self._warn_only:
            return True
        kinds = self._index.of_host(host).kinds          # mostly empty: a flood of questions is about names without any
        return bool(kinds) and any(rule.admits_client(client) for rule in kinds)

    def _admission_of_target(self, target: Target, client: str) -> Admission | None:
        rule = self._index.first_possible(target, client)
        if rule is None:
            return None
        named = _is_nameable(target) and any(
            other.names_address for other in self._index.possible_kinds(target, client)
        )
        return self._admissions[rule, named]

    def _admission_of_request(self, request: Request) -> Admission | None:
        rule = self._index.first_match(request)
        if rule is None:
            return None
        if rule.is_host_only and (rule.names_address or not _is_nameable(request.target)):
            named = rule.names_address and _is_nameable(request.target)
            return self._settle(request.target, self._admissions[rule, named])
        # Any rule that fits may name the address: `*` above a CIDR must not hide it.
        named = _is_nameable(request.target) and (
            rule.names_address or any(other.names_address for other in self._index.fitting(request))
        )
        return self._admissions[rule, named]

    def _settle(self, target: Target, admission: Admission) -> Admission:
        """Remember what is the same for every request to a destination."""
        if len(self._settled) >= _HOSTS_REMEMBERED:
            self._settled.clear()
        self._settled[target] = admission
        return admission

    def _miss(self, request: Request) -> Mismatch | None:
        """How near a rule came; None when none has the host."""
        if request.method == "CONNECT":
            return self._target_miss(request.target, request.client_name)
        return self._index.nearest_miss(request)

    def _target_miss(self, target: Target, client: str) -> Mismatch | None:
        kinds = self._index.of_host(target.host).kinds
        if any(rule.admits_client(client) for rule in kinds):
            return Mismatch.PORT
        return Mismatch.CLIENT if kinds else None


def _sentence(miss: Mismatch | None) -> str:
    return "no rule matches the host" if miss is None else f"a rule matches the host, but {miss.value}"


def _is_nameable(target: Target) -> bool:
    return target.is_ip or target.host == "localhost"


def _joined(earlier: Admission, admission: Admission) -> Admission:
    """With two allowlists both must admit; that either names the address is enough."""
    if earlier.names_address and not admission.names_address:
        return replace(admission, names_address=True)
    return admission


def _admission_by_warning(reason: str) -> Admission:
    return Admission(f"allowlist warn: {reason}")


def build(section: Section, context: TransformContext) -> RequestTransform:
    """From `domains`, `cidrs`, `rules` and `warn`."""
    rules = rules_from_texts(section, "domains", Rule.for_host)
    rules += rules_from_texts(section, "cidrs", Rule.for_cidr)
    rules += rules_from(section)
    warn_only = section.boolean("warn")
    section.finish()
    if warn_only:
        warn_at(
            section, section.line, "warn", "requests that no rule matches are forwarded: the allowlist is not enforced"
        )
    elif not rules:
        warn_at(section, section.line, "rules", "no domains, cidrs or rules: every request is rejected")
    return Allowlist(rules, warn_only=warn_only)
