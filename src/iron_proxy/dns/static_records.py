"""
`dns.records`, compiled: wire name to what is configured for it. Pure; `answers.py` asks it for every question.

The configuration's reader has checked the same values with their lines (`config/reading_dns.py`); what is wrong here is
wrong for a caller that builds a zone by itself.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from iron_proxy.config.schema import DNSRecordConfig
from iron_proxy.dns.messages import AAAA, TXT, A, Record, address_record, serialize_name, text_record
from iron_proxy.matching.host_patterns import HostPattern

_ADDRESS_KINDS: dict[str, type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]] = {
    "A": ipaddress.IPv4Address,
    "AAAA": ipaddress.IPv6Address,
}
_EXAMPLES = {"A": "an IPv4 address, for example 10.0.0.7", "AAAA": "an IPv6 address, for example fd00::7"}


@dataclass(slots=True)
class StaticName:
    """Everything configured for one name: records by type, or the one name it is an alias for."""

    values: dict[int, list[str]] = field(default_factory=dict)
    alias_for: bytes | None = None

    def records(self, record_type: int, owner: bytes | None = None) -> list[Record]:
        """The records of one type; `owner` as in `Record`. None for ANY: RFC 8482 section 4 lets us decline."""
        make = text_record if record_type == TXT else address_record
        return [make(value, owner) for value in self.values.get(record_type, ())]


def compile_records(entries: Sequence[DNSRecordConfig], problems: list[str]) -> dict[bytes, StaticName]:
    """
    Wire name to records. Several records of one name and type are all answered. Bad values are added to `problems`.

    A CNAME stands alone (RFC 1034 section 3.6.2): it replaces what was said before of its name, and is replaced by
    what is said after it, as upstream lets the last of several entries win.
    """
    names: dict[bytes, StaticName] = {}
    for index, entry in enumerate(entries):
        place = f"dns.records[{index}]"
        name = _compile_name(entry.name, f"{place}.name", problems)
        if entry.type == "CNAME":
            names[name] = StaticName(alias_for=_compile_name(entry.value, f"{place}.value", problems))
            continue
        record_type = _compile_type(entry, place, problems)
        if name not in names or names[name].alias_for is not None:
            names[name] = StaticName()
        names[name].values.setdefault(record_type, []).append(entry.value)
    return names


def _compile_type(entry: DNSRecordConfig, place: str, problems: list[str]) -> int:
    if entry.type == "TXT":
        return TXT
    if entry.type not in _ADDRESS_KINDS:
        problems.append(f'{place}.type must be A, AAAA, CNAME or TXT; got "{entry.type}"')
    elif not is_address(entry.value, _ADDRESS_KINDS[entry.type]):
        problems.append(f'{place}.value must be {_EXAMPLES[entry.type]}; got "{entry.value}"')
    return AAAA if entry.type == "AAAA" else A


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
    return serialize_name(host.exact)


def is_address(text: str, kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> bool:
    """Whether a text is an address of a kind, without a zone: no record can hold one."""
    try:
        kind(text)
    except ValueError:
        return False
    return "%" not in text


