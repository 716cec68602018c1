"""
From the root section to a `Config`: every key of the file, by block, with its default and its check.

Problems are noted, not raised, and reading goes on with the default, so that one run tells all of them. The blocks
under `transforms[].config` are handed on unread. Called by `loading.py`.
"""

import ipaddress
import re
import string
from collections.abc import Mapping
from typing import cast

from iron_proxy.config import schema
from iron_proxy.config.addresses import ListenAddress, ResolverAddress
from iron_proxy.config.cross_checks import check_config
from iron_proxy.config.environment import apply_environment
from iron_proxy.config.section import Section
from iron_proxy.errors import BadRequest
from iron_proxy.go_compat.path_match import regex_of_glob
from iron_proxy.messages.authority import parse_host

NOT_AVAILABLE = (
    "management",
    "control_plane",
    "mcp",
    "mcp_gateway",
    "postgres",
    "upstream_tls",
    "clients",
    "audit",
    "limits",
)
_BLOCKS = ("dns", "proxy", "tls", "metrics", "log")
# The word that switches a listener off; upstream takes an empty string for "the default".
_OFF = "off"
_LEVELS = ("debug", "info", "warn", "error")
# ipaddress also takes netmasks, and Go no leading zeros in a prefix length.
_CIDR = re.compile(r"[0-9a-fA-F:.]+/(?:0|[1-9][0-9]{0,2})", re.ASCII)
# Only ASCII: `str.lower` turns the Kelvin sign into a k.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_WILDCARDS = frozenset("*?[\\")


def read_config(root: Section, environment: Mapping[str, str]) -> schema.Config:
    """Read everything; what is wrong is noted on `root.problems`, and the result is then not to be used."""
    _read_unknown_keys_setting(root)
    blocks = {name: root.section_or_empty(name) for name in _BLOCKS}
    apply_environment(blocks, environment, root.problems)
    config = schema.Config(
        dns=_read_dns(blocks["dns"]),
        proxy=_read_proxy(blocks["proxy"]),
        tls=_read_tls(blocks["tls"]),
        transforms=tuple(_read_transforms(root)),
        metrics=_read_metrics(blocks["metrics"]),
        log=_read_log(blocks["log"]),
    )
    root.not_available(*NOT_AVAILABLE)
    root.finish()
    check_config(config, blocks)
    return config


def _read_unknown_keys_setting(root: Section) -> None:
    section = root.section_or_empty("config")
    root.problems.unknown_keys_are_errors = section.choice("unknown_keys", ("error", "warn"), "error") == "error"
    section.finish()


# --- dns ------------------------------------------------------------------------------------------------------------


def _read_dns(section: Section) -> schema.DNSConfig:
    is_enabled = section.boolean("enabled", True)
    config = schema.DNSConfig(
        enabled=is_enabled,
        listen=_listen(section, "listen", schema.DEFAULT_DNS_LISTEN) if is_enabled else None,
        proxy_ip=_proxy_ip(section) if is_enabled else None,
        upstream_resolver=_resolver(section),
        passthrough=tuple(_passthrough(section)),
        records=tuple(_record(entry) for entry in section.sections("records")),
    )
    section.acknowledge("listen", "proxy_ip")  # without effect, and unchecked, when DNS is off
    section.finish()
    return config


def _proxy_ip(section: Section) -> str | None:
    text = section.text("proxy_ip")
    if not text:
        return None  # `cross_checks.py` says so
    if not _is_address(text, ipaddress.IPv4Address):
        section.problem("proxy_ip", f'invalid proxy_ip (must be IPv4): "{text}"')
    return text


def _resolver(section: Section) -> ResolverAddress | None:
    text = section.text("upstream_resolver")
    if not text:
        return None
    try:
        return ResolverAddress.parse(text)
    except ValueError as error:
        section.problem("upstream_resolver", str(error))
        return None


def _passthrough(section: Section) -> list[str]:
    patterns = []
    for index, (text, line) in enumerate(section.texts_with_lines("passthrough")):
        pattern = text.translate(_LOWER)
        reason = _fault_of_pattern(pattern)  # before the dot goes: "*." is a slip and must not become "*"
        if reason is not None:
            section.problem_at(line, f"passthrough[{index}]", f'"{text}": {reason}')
        patterns.append(pattern.removesuffix("."))
    return patterns


def _fault_of_pattern(pattern: str) -> str | None:
    """Why a pattern can match no name. Names beyond ASCII are left to the pattern's own parser, which encodes them."""
    if not pattern or any(character <= " " or character in "/:@\x7f" for character in pattern):
        return "not a host pattern; write a name such as db.internal.corp, or *.internal.corp"
    plain = pattern.removeprefix("*.")
    if not pattern.isascii() or pattern == "*":
        return None
    if _WILDCARDS.isdisjoint(plain):
        return None if _parse_name(plain) else "not a host name"
    try:
        regex_of_glob(pattern)
    except ValueError as error:
        return str(error)
    return None


def _record(section: Section) -> schema.DNSRecordConfig:
    name = section.required_text("name")
    kind = section.choice("type", ("A", "CNAME"), "", "must be A or CNAME")
    value = section.required_text("value")
    section.finish()
    if name:
        name = _record_name(section, "name", name)
    if value and kind == "A":
        _check_a_value(section, value)
    elif value and kind == "CNAME":
        value = _record_name(section, "value", value)
    return schema.DNSRecordConfig(name, kind, value)


def _check_a_value(section: Section, value: str) -> None:
    if _is_address(value, ipaddress.IPv4Address):
        return
    if _is_address(value, ipaddress.IPv6Address):
        section.problem("value", f'"{value}" is IPv6 and an A record holds IPv4; write the IPv4 address of the host')
    else:
        section.problem("value", f'"{value}" is not an IPv4 address; for another name use type CNAME')


def _record_name(section: Section, key: str, text: str) -> str:
    parsed = _parse_name(text)
    if parsed is None:
        section.problem(key, f'"{text}" is not a host name; write one such as internal.example.com (or xn--...)')
        return text
    canonical, is_address = parsed
    if is_address:
        section.problem(key, f'"{text}" is an address where a host name must stand; addresses are values of A records')
    return canonical


def _parse_name(text: str) -> tuple[str, bool] | None:
    """The name in canonical spelling and whether it is an address; None for what is neither."""
    try:
        return parse_host(text.encode("ascii"))
    except (BadRequest, UnicodeEncodeError):
        return None


# --- proxy ----------------------------------------------------------------------------------------------------------


def _read_proxy(section: Section) -> schema.ProxyConfig:
    config = schema.ProxyConfig(
        http_listen=_listen_or_off(section, "http_listen", schema.DEFAULT_HTTP_LISTEN),
        https_listen=_listen_or_off(section, "https_listen", schema.DEFAULT_HTTPS_LISTEN),
        tunnel_listen=_listen_or_off(section, "tunnel_listen", _OFF),
        max_request_body_bytes=_limit(section, "max_request_body_bytes", schema.DEFAULT_MAX_REQUEST_BODY_BYTES),
        max_response_body_bytes=_limit(section, "max_response_body_bytes", None),
        upstream_response_header_timeout=section.duration(
            "upstream_response_header_timeout", schema.DEFAULT_UPSTREAM_RESPONSE_HEADER_TIMEOUT, positive=True
        ),
        upstream_deny_cidrs=_deny_cidrs(section),
        default_action=cast("schema.DefaultAction", section.choice("default_action", ("deny", "allow"), "deny")),
    )
    if section.text("workers") not in ("", "1"):
        section.problem("workers", "not available in this version; leave it out or write 1")
    section.not_available("upstream_proxy")
    section.finish()
    return config


def _limit(section: Section, key: str, default: int | None) -> int | None:
    """A number of bytes: 0 means the default, a negative number no limit."""
    value = section.integer(key, 0)
    if value == 0:
        return default
    return None if value < 0 else value


def _deny_cidrs(section: Section) -> tuple[schema.Network, ...] | None:
    if not section.has("upstream_deny_cidrs"):
        return None
    networks = []
    for index, (text, line) in enumerate(section.texts_with_lines("upstream_deny_cidrs")):
        try:
            networks.append(_parse_cidr(text))
        except ValueError as error:
            section.problem_at(line, f"upstream_deny_cidrs[{index}]", str(error))
    return tuple(networks)


def _parse_cidr(text: str) -> schema.Network:
    entry = text.strip(" \t\r\n")
    if not entry:
        raise ValueError("empty CIDR entry")
    if "/" not in entry:
        raise ValueError(f'invalid CIDR "{entry}": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128')
    refusal = ValueError(f'invalid CIDR "{entry}": not an address with a prefix length that fits it')
    if not _CIDR.fullmatch(entry):
        raise refusal
    try:
        return ipaddress.ip_network(entry, strict=False)  # host bits are cleared, as in upstream
    except ValueError:
        raise refusal from None


# --- the smaller blocks ---------------------------------------------------------------------------------------------


def _read_tls(section: Section) -> schema.TLSConfig:
    mode = section.choice("mode", ("mitm", "sni-only"), "mitm", 'must be "mitm" or "sni-only"')
    if mode == "sni-only":
        section.problem("mode", "sni-only is not available in this version; use mitm")
    size = section.integer("cert_cache_size", 0)
    hours = section.integer("leaf_cert_expiry_hours", 0, at_least=0)
    if hours > schema.MAX_LEAF_CERT_EXPIRY_HOURS:
        section.problem("leaf_cert_expiry_hours", f"must be at most {schema.MAX_LEAF_CERT_EXPIRY_HOURS}; got {hours}")
    config = schema.TLSConfig(
        mode=cast("schema.TLSMode", mode),
        ca_cert=section.text("ca_cert") or None,
        ca_key=section.text("ca_key") or None,
        cert_cache_size=schema.UNLIMITED if size < 0 else size or schema.DEFAULT_CERT_CACHE_SIZE,
        leaf_cert_expiry_hours=hours or schema.DEFAULT_LEAF_CERT_EXPIRY_HOURS,
    )
    section.not_available("passthrough")
    section.finish()
    return config


def _read_transforms(root: Section) -> list[schema.TransformConfig]:
    transforms = []
    for entry in root.sections("transforms"):
        name = entry.required_text("name")
        transforms.append(schema.TransformConfig(name, entry.section_or_empty("config"), entry.line))
        entry.finish()
    return transforms


def _read_metrics(section: Section) -> schema.MetricsConfig:
    config = schema.MetricsConfig(listen=_listen_or_off(section, "listen", schema.DEFAULT_METRICS_LISTEN))
    section.finish()
    return config


def _read_log(section: Section) -> schema.LogConfig:
    level = section.text("level") or "info"
    if level not in _LEVELS:
        section.problem("level", f'unknown log level: "{level}" (write one of {", ".join(_LEVELS)})')
    audit_schema = section.choice("audit_schema", ("seed", "v0.46"), "seed")
    section.finish()
    return schema.LogConfig(cast("schema.LogLevel", level), cast("schema.AuditSchema", audit_schema))


# --- kinds of values ------------------------------------------------------------------------------------------------


def _listen_or_off(section: Section, key: str, default: str) -> ListenAddress | None:
    if (section.text(key) or default) == _OFF:
        return None
    return _listen(section, key, default)


def _listen(section: Section, key: str, default: str) -> ListenAddress | None:
    try:
        return ListenAddress.parse(section.text(key) or default)
    except ValueError as error:
        section.problem(key, str(error))
        return None


def _is_address(text: str, kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
