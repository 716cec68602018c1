"""
From question to answer: a pure function of the configuration, without I/O, clock or state.

Static records come first, then passthrough, then what strict mode refuses, then interception; the first rule that knows
the name decides. Only `Forward` ever leads to a lookup, only for addresses and service bindings and only for names that
the operator let through: an answer of any other rule tells nobody outside what was asked (spec weakness A17).
`server.py` asks and sends; `forwarding.py` does the lookups.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from iron_proxy.config.schema import DNSRecordConfig
from iron_proxy.dns import messages
from iron_proxy.dns.messages import CNAME, IN, Record, Tail, address_record, build_tail
from iron_proxy.dns.static_records import StaticName, compile_records, is_address
from iron_proxy.errors import BadRequest, ConfigError
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.messages.authority import parse_host

# Which rule decided, in the process log's words.
Rule = Literal["static", "passthrough", "intercept"]
# Whether a rule could allow some request to a host by a client (`ip:port`): what strict mode asks of policy.
Admits = Callable[[str, str], bool]

# A name that a pattern lets through is chosen by the workload, so each octet of it is one that can be carried out. The
# longest names of load balancers, databases and private endpoints are below this; one that the operator lists by
# itself carries nothing, and is not measured.
MAX_FORWARDED_NAME: Final = 128

_TRANSFERS = (messages.AXFR, messages.IXFR)
# TXT, NULL, MX and the like are what tunnels are made of, and no client needs them to connect.
_FORWARDED_TYPES = (messages.A, messages.AAAA, messages.HTTPS, messages.SVCB)


@dataclass(frozen=True, slots=True)
class Answer:
    """A static record answers."""

    tail: Tail
    rule: ClassVar[Rule] = "static"


@dataclass(frozen=True, slots=True)
class Forward:
    """
    Ask a name server for the records of `host`, of this type.

    `aliases` are static CNAME records that led there and stand before the result; `owner` is then the wire name that
    the records belong to, else None.
    """

    host: str
    record_type: int
    aliases: tuple[Record, ...] = ()
    owner: bytes | None = None
    rule: ClassVar[Rule] = "passthrough"


@dataclass(frozen=True, slots=True)
class Intercept:
    """The proxy's own address."""

    tail: Tail
    rule: ClassVar[Rule] = "intercept"


@dataclass(frozen=True, slots=True)
class Empty:
    """The name exists as far as anyone may know, with nothing of the type asked for. No lookup."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Refused:
    """A question that is not for us, or a name that policy has no place for. `opt` is the OPT record to answer with."""

    reason: str
    rcode: int = messages.REFUSED
    opt: bytes = messages.OPT_PROHIBITED


Decision = Answer | Forward | Intercept | Empty | Refused


class Zone:
    """
    All rules of one configuration, compiled.

    `proxy_ip` and `proxy_ip6` are what intercepted names resolve to; an empty one leaves its family without addresses.
    `passthrough` holds host patterns as in the allowlist. With `admits` (strict mode) a name that it denies does not
    exist. Raises ConfigError with every bad value.
    """

    def __init__(
        self,
        proxy_ip: str,
        records: Sequence[DNSRecordConfig] = (),
        passthrough: Sequence[str] = (),
        *,
        proxy_ip6: str = "",
        admits: Admits | None = None,
    ) -> None:
        problems: list[str] = []
        if proxy_ip and not is_address(proxy_ip, ipaddress.IPv4Address):
            problems.append(f'dns.proxy_ip: invalid proxy_ip (must be IPv4): "{proxy_ip}"')
        if proxy_ip6 and not is_address(proxy_ip6, ipaddress.IPv6Address):
            problems.append(f'dns.proxy_ip6: invalid proxy_ip6 (must be IPv6): "{proxy_ip6}"')
        self._static = compile_records(records, problems)
        self._passthrough = _compile_patterns(passthrough, problems)
        if problems:
            raise ConfigError(problems)
        own = {messages.A: proxy_ip, messages.AAAA: proxy_ip6}
        self._own = {record_type: address for record_type, address in own.items() if address}
        self._intercepts = {
            record_type: Intercept(build_tail([address_record(address)])) for record_type, address in self._own.items()
        }
        self._admits = admits
        self.asks_policy = admits is not None  # whether decisions depend on who asks

    def decide(self, name: bytes, record_type: int, record_class: int, client: str = "") -> Decision:
        """What to answer for a wire name in lower case that a client (`ip:port`) asks for."""
        if record_class != IN:
            return _WRONG_CLASS
        if record_type in _TRANSFERS:
            return _NO_TRANSFERS
        static = self._static.get(name)
        if static is not None:
            return self._decide_static(name, static, record_type)
        if self._admits is None:
            return self._decide_dynamic(name, record_type)
        return self._decide_strictly(name, record_type, client, self._admits)

    def _decide_strictly(self, name: bytes, record_type: int, client: str, admits: Admits) -> Decision:
        decision = self._decide_dynamic(name, record_type)
        if isinstance(decision, Forward | Refused) or decision is _NOTHING_TO_PASS:
            return decision
        host = _host_of(name)
        return decision if host is not None and admits(host, client) else _NO_RULE

    def _decide_dynamic(self, name: bytes, record_type: int) -> Forward | Intercept | Empty | Refused:
        if self._passthrough:
            forwarded = self._decide_passthrough(name, record_type)
            if forwarded is not None:
                return forwarded
        return self._intercepts.get(record_type, _NOTHING_TO_INTERCEPT)

    def _decide_passthrough(self, name: bytes, record_type: int) -> Forward | Empty | Refused | None:
        host = _host_of(name)
        if host is None:
            return None
        patterns = [pattern for pattern in self._passthrough if pattern.matches(host)]
        if not patterns:
            return None
        if record_type not in _FORWARDED_TYPES:
            return _NOTHING_TO_PASS
        if len(host) > MAX_FORWARDED_NAME and all(pattern.exact is None for pattern in patterns):
            return _TOO_LONG
        return Forward(host, record_type)

    def _decide_static(self, name: bytes, static: StaticName, record_type: int) -> Answer | Forward | Empty | Refused:
        if static.alias_for is None:
            records = static.records(record_type)
            return Answer(build_tail(records)) if records else _NOTHING_STATIC
        if record_type == CNAME:
            return Answer(build_tail([Record(CNAME, static.alias_for)]))
        if record_type == messages.ANY:
            return _NOTHING_STATIC
        return self._follow_aliases(name, static.alias_for, record_type)

    def _follow_aliases(self, name: bytes, target: bytes, record_type: int) -> Answer | Forward | Refused:
        """
        The chain of CNAME records and what it ends at, in one answer: stub resolvers do not ask again.

        A chain that comes back to itself ends where it would repeat. Policy is not asked about its end: clients send
        their requests to the name that they asked for.
        """
        chain, seen = [Record(CNAME, target)], {name}
        while (static := self._static.get(target)) is not None and static.alias_for is not None:
            if target in seen:
                return Answer(build_tail(chain))
            seen.add(target)
            chain.append(Record(CNAME, static.alias_for, target))
            target = static.alias_for
        if static is not None:
            return Answer(build_tail([*chain, *static.records(record_type, target)]))
        match self._decide_dynamic(target, record_type):
            case Forward(host):
                return Forward(host, record_type, tuple(chain), target)
            case Intercept():
                return Answer(build_tail([*chain, address_record(self._own[record_type], target)]))
            case Refused() as refused:
                return refused
            case Empty():
                return Answer(build_tail(chain))


_WRONG_CLASS = Refused("class is not IN")
_NO_TRANSFERS = Refused("zone transfers are not served")
_TOO_LONG = Refused(f"name longer than {MAX_FORWARDED_NAME} characters")
# Not REFUSED: on that a stub resolver turns to its next name server, which is a way around us, and then tells its
# program to try again later. A name that does not exist is final for both, and a search list goes on.
_NO_RULE = Refused("no rule allows this name", messages.NXDOMAIN, messages.OPT_BLOCKED)
_NOTHING_STATIC = Empty("static")
_NOTHING_TO_PASS = Empty("passthrough")
_NOTHING_TO_INTERCEPT = Empty("intercept")


def _host_of(name: bytes) -> str | None:
    """
    The wire name as patterns see it, or None for what no host is called.

    A label may hold any byte on the wire. One with a dot inside would read like two labels, and pass a pattern that
    it does not match as a name.
    """
    labels = messages.labels_of(name)
    joined = b".".join(labels)
    if joined.count(b".") >= len(labels):
        return None
    try:
        host, is_ip = parse_host(joined)
    except BadRequest:
        return None
    return None if is_ip else host


def _compile_patterns(texts: Sequence[str], problems: list[str]) -> tuple[HostPattern, ...]:
    patterns = []
    for index, text in enumerate(texts):
        try:
            patterns.append(HostPattern.parse(text))
        except ValueError as error:
            problems.append(f"dns.passthrough[{index}]: {error}")
    return tuple(patterns)
