"""
From question to answer: a pure function of the configuration, without I/O, clock or state.

Static records come first, then passthrough, then interception; the first rule that knows the name decides. Only
`Forward` ever leads to a lookup, only for A and AAAA and only for names that the operator let through: an answer of
any other rule tells nobody outside what was asked (spec weakness A17). `server.py` asks and sends; `forwarding.py`
does the lookups.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from iron_proxy.config.schema import DNSRecordConfig
from iron_proxy.dns import messages
from iron_proxy.dns.messages import CNAME, IN, Record, Tail, address_record, build_tail
from iron_proxy.errors import BadRequest, ConfigError
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.messages.authority import parse_host

# Which rule decided, in the process log's words.
Rule = Literal["static", "passthrough", "intercept"]

_TRANSFERS = (messages.AXFR, messages.IXFR)
_ADDRESS_TYPES = (messages.A, messages.AAAA)


@dataclass(frozen=True, slots=True)
class Answer:
    """A static record answers."""

    tail: Tail
    rule: ClassVar[Rule] = "static"


@dataclass(frozen=True, slots=True)
class Forward:
    """
    Ask the resolver for the addresses of `host`, of this record type.

    `aliases` are static CNAME records that led there and stand before the result; `owner` is then the wire name that
    the addresses belong to, else None.
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
    """A question that is not for us."""

    reason: str


Decision = Answer | Forward | Intercept | Empty | Refused


@dataclass(slots=True)
class _StaticName:
    """Everything configured for one name: addresses, or the one name it is an alias for."""

    addresses: list[str] = field(default_factory=list)
    alias_for: bytes | None = None


class Zone:
    """
    All rules of one configuration, compiled.

    `passthrough` holds host patterns as in the allowlist. Raises ConfigError with every bad value: `proxy_ip` and the
    A records must be IPv4 addresses, names must be host names.
    """

    def __init__(self, proxy_ip: str, records: Sequence[DNSRecordConfig] = (), passthrough: Sequence[str] = ()) -> None:
        problems: list[str] = []
        if not _is_ipv4(proxy_ip):
            problems.append(f'dns.proxy_ip: invalid proxy_ip (must be IPv4): "{proxy_ip}"')
        self._static = _compile_records(records, problems)
        self._passthrough = _compile_patterns(passthrough, problems)
        if problems:
            raise ConfigError(problems)
        self._proxy_ip = proxy_ip
        self._intercept = Intercept(build_tail([address_record(proxy_ip)]))

    def decide(self, name: bytes, record_type: int, record_class: int) -> Decision:
        """What to answer for a wire name in lower case."""
        if record_class != IN:
            return _WRONG_CLASS
        if record_type in _TRANSFERS:
            return _NO_TRANSFERS
        static = self._static.get(name)
        if static is not None:
            return self._decide_static(name, static, record_type)
        return self._decide_dynamic(name, record_type)

    def _decide_dynamic(self, name: bytes, record_type: int) -> Forward | Intercept | Empty:
        if self._passthrough:
            host = _host_of(name)
            if host is not None and any(pattern.matches(host) for pattern in self._passthrough):
                return Forward(host, record_type) if record_type in _ADDRESS_TYPES else _NOTHING_TO_PASS
        return self._intercept if record_type == messages.A else _NOTHING_TO_INTERCEPT

    def _decide_static(self, name: bytes, static: _StaticName, record_type: int) -> Answer | Forward | Empty:
        if static.alias_for is None:
            records = _address_records(static, record_type, owner=None)
            return Answer(build_tail(records)) if records else _NOTHING_STATIC
        if record_type == CNAME:
            return Answer(build_tail([Record(CNAME, static.alias_for)]))
        return self._follow_aliases(name, static.alias_for, record_type)

    def _follow_aliases(self, name: bytes, target: bytes, record_type: int) -> Answer | Forward:
        """
        The chain of CNAME records and what it ends at, in one answer: stub resolvers do not ask again.

        A chain that comes back to itself ends where it would repeat.
        """
        chain, seen = [Record(CNAME, target)], {name}
        while (static := self._static.get(target)) is not None and static.alias_for is not None:
            if target in seen:
                return Answer(build_tail(chain))
            seen.add(target)
            chain.append(Record(CNAME, static.alias_for, target))
            target = static.alias_for
        if static is not None:
            return Answer(build_tail([*chain, *_address_records(static, record_type, owner=target)]))
        match self._decide_dynamic(target, record_type):
            case Forward(host):
                return Forward(host, record_type, tuple(chain), target)
            case Intercept():
                return Answer(build_tail([*chain, address_record(self._proxy_ip, target)]))
            case Empty():
                return Answer(build_tail(chain))


_WRONG_CLASS = Refused("class is not IN")
_NO_TRANSFERS = Refused("zone transfers are not served")
_NOTHING_STATIC = Empty("static")
_NOTHING_TO_PASS = Empty("passthrough")
_NOTHING_TO_INTERCEPT = Empty("intercept")


def _address_records(static: _StaticName, record_type: int, owner: bytes | None) -> list[Record]:
    return [address_record(address, owner) for address in static.addresses] if record_type == messages.A else []


def _host_of(name: bytes) -> str | None:
    """
    The wire name as patterns see it, or None for what no host is called.

    A label may hold any byte on the wire. One with a dot inside would read like two labels, and pass a pattern that
    it does not match as a name.
    """
    labels = messages.labels_of(name)
    if any(b"." in label for label in labels):
        return None
    try:
        host, is_ip = parse_host(b".".join(labels))
    except BadRequest:
        return None
    return None if is_ip else host


# --- compiling ------------------------------------------------------------------------------------------------------


def _compile_records(records: Sequence[DNSRecordConfig], problems: list[str]) -> dict[bytes, _StaticName]:
    """
    Wire name to records. Several A records of one name are all answered.

    A CNAME stands alone (RFC 1034 section 3.6.2): it replaces what was said before of its name, and is replaced by
    what is said after it, as upstream lets the last of several entries win.
    """
    names: dict[bytes, _StaticName] = {}
    for index, record in enumerate(records):
        place = f"dns.records[{index}]"
        name = _compile_name(record.name, f"{place}.name", problems)
        if record.type == "CNAME":
            names[name] = _StaticName(alias_for=_compile_name(record.value, f"{place}.value", problems))
        elif record.type != "A":
            problems.append(f'{place}.type must be A or CNAME; got "{record.type}"')
        elif not _is_ipv4(record.value):
            problems.append(f'{place}.value must be an IPv4 address, for example 10.0.0.7; got "{record.value}"')
        elif name in names and names[name].alias_for is None:
            names[name].addresses.append(record.value)
        else:
            names[name] = _StaticName([record.value])
    return names


def _compile_name(text: str, place: str, problems: list[str]) -> bytes:
    """Read by the patterns' parser, so that a name in the file means the same everywhere in the file."""
    try:
        host = HostPattern.parse(text)
    except ValueError as error:
        problems.append(f"{place}: {error}")
        return b"\0"
    if host.exact is None or host.is_address:
        problems.append(f'{place} must be one host name, for example db.internal; got "{text}"')
        return b"\0"
    return messages.serialize_name(host.exact)


def _compile_patterns(texts: Sequence[str], problems: list[str]) -> tuple[HostPattern, ...]:
    patterns = []
    for index, text in enumerate(texts):
        try:
            patterns.append(HostPattern.parse(text))
        except ValueError as error:
            problems.append(f"dns.passthrough[{index}]: {error}")
    return tuple(patterns)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
