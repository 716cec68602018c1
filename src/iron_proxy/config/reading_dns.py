"""
The `dns:` block: where the DNS server listens, what names resolve to, and which are asked for elsewhere.

Records are checked here for what their type can hold, and brought to canonical spelling. Called by `reading.py`.
"""

import ipaddress
from typing import cast

from iron_proxy.config import schema
from iron_proxy.config.addresses import ResolverAddress
from iron_proxy.config.section import Section
from iron_proxy.config.value_kinds import host_patterns, is_address, listen, parse_name

_RECORD_TYPES = ("A", "AAAA", "CNAME", "TXT")
# Policies and keys (DKIM) are below a kilobyte; with this, a name's records fit into one answer over TCP.
_MAX_TXT_BYTES = 4000


def read_dns(section: Section) -> schema.DNSConfig:
    """Read `dns:`."""
    is_enabled = section.boolean("enabled", True)
    mode = section.choice("mode", ("intercept", "strict"), "intercept")
    config = schema.DNSConfig(
        enabled=is_enabled,
        listen=listen(section, "listen", schema.DEFAULT_DNS_LISTEN) if is_enabled else None,
        proxy_ip=_proxy_ip(section) if is_enabled else None,
        proxy_ip6=_proxy_ip6(section) if is_enabled else None,
        mode=cast("schema.DNSMode", mode),
        upstream_resolver=_resolver(section),
        passthrough=tuple(host_patterns(section, "passthrough")),
        lookups_per_minute=_lookups_per_minute(section),
        records=tuple(_record(entry) for entry in section.sections("records")),
    )
    section.acknowledge("listen", "proxy_ip", "proxy_ip6")  # without effect, and unchecked, when DNS is off
    section.finish()
    return config


def _proxy_ip(section: Section) -> str | None:
    text = section.text("proxy_ip")
    if not text:
        return None  # `cross_checks.py` says so
    if not is_address(text, ipaddress.IPv4Address):
        section.problem("proxy_ip", f'invalid proxy_ip (must be IPv4): "{text}"')
    return text


def _proxy_ip6(section: Section) -> str | None:
    text = section.text("proxy_ip6")
    if not text:
        return None
    if not _is_ipv6(text):
        section.problem("proxy_ip6", f'invalid proxy_ip6 (must be IPv6, without a zone): "{text}"')
    elif ipaddress.IPv6Address(text).ipv4_mapped is not None:
        section.problem("proxy_ip6", f'"{text}" is an IPv4 address in the form of IPv6; write it under proxy_ip')
    return text


def _is_ipv6(text: str) -> bool:
    return "%" not in text and is_address(text, ipaddress.IPv6Address)


def _resolver(section: Section) -> ResolverAddress | None:
    text = section.text("upstream_resolver")
    if not text:
        return None
    try:
        return ResolverAddress.parse(text)
    except ValueError as error:
        section.problem("upstream_resolver", str(error))
        return None


def _lookups_per_minute(section: Section) -> int | None:
    number = section.integer("lookups_per_minute", 0)
    return None if number < 0 else number or schema.DEFAULT_LOOKUPS_PER_MINUTE


# --- records --------------------------------------------------------------------------------------------------------


def _record(section: Section) -> schema.DNSRecordConfig:
    name = section.required_text("name")
    kind = _record_type(section)
    value = section.required_text("value")
    section.finish()
    if name:
        name = _record_name(section, "name", name)
    if value and kind == "CNAME":
        value = _record_name(section, "value", value)
    elif value and kind == "TXT":
        _check_text(section, value)
    elif value and kind:
        _check_address(section, kind, value)
    return schema.DNSRecordConfig(name, kind, value)


def _record_type(section: Section) -> str:
    kind = section.text("type")
    if kind in _RECORD_TYPES:
        return kind
    # Parity: upstream's words, which know of two types.
    section.problem("type", f'must be A or CNAME; got "{kind}" (AAAA and TXT are served too)')
    return ""


def _check_address(section: Section, kind: str, value: str) -> None:
    if _is_ipv6(value) if kind == "AAAA" else is_address(value, ipaddress.IPv4Address):
        return
    if kind == "A" and is_address(value, ipaddress.IPv6Address):
        section.problem("value", f'"{value}" is IPv6 and an A record holds IPv4; use type AAAA')
    elif kind == "AAAA" and is_address(value, ipaddress.IPv4Address):
        section.problem("value", f'"{value}" is IPv4 and an AAAA record holds IPv6; use type A')
    else:
        version = 6 if kind == "AAAA" else 4
        section.problem("value", f'"{value}" is not an IPv{version} address; for another name use type CNAME')


def _check_text(section: Section, value: str) -> None:
    size = len(value.encode("utf-8", "surrogateescape"))
    if size > _MAX_TXT_BYTES:
        section.problem("value", f"a TXT record holds at most {_MAX_TXT_BYTES} bytes here; got {size}")


def _record_name(section: Section, key: str, text: str) -> str:
    parsed = parse_name(text)
    if parsed is None:
        section.problem(key, f'"{text}" is not a host name; write one such as internal.example.com (or xn--...)')
        return text
    canonical, is_ip = parsed
    if is_ip:
        section.problem(key, f'"{text}" is an address where a host name must stand; addresses are values of A records')
    return canonical
