"""
From the root section to a `Config`: every key of the file, by block, with its default and its check.

Problems are noted, not raised, and reading goes on with the default, so that one run tells all of them. The blocks
under `transforms[].config` are handed on unread. Called by `loading.py`.
"""

import ipaddress
from collections.abc import Mapping
from typing import cast

from iron_proxy.config import schema
from iron_proxy.config.addresses import ResolverAddress
from iron_proxy.config.cross_checks import check_config
from iron_proxy.config.environment import apply_environment
from iron_proxy.config.reading_clients import read_clients
from iron_proxy.config.reading_proxy import read_proxy
from iron_proxy.config.reading_tls import read_tls
from iron_proxy.config.section import Section
from iron_proxy.config.value_kinds import host_patterns, is_address, listen, listen_or_off, parse_name

NOT_AVAILABLE = (
    "management",
    "control_plane",
    "mcp",
    "mcp_gateway",
    "postgres",
    "audit",
    "limits",
)
_BLOCKS = ("dns", "proxy", "tls", "metrics", "log")
_LEVELS = ("debug", "info", "warn", "error")


def read_config(root: Section, environment: Mapping[str, str]) -> schema.Config:
    """Read everything; what is wrong is noted on `root.problems`, and the result is then not to be used."""
    _read_unknown_keys_setting(root)
    blocks = {name: root.section_or_empty(name) for name in _BLOCKS}
    blocks["upstream_proxy"] = blocks["proxy"].section_or_empty("upstream_proxy")
    apply_environment(blocks, environment, root.problems)
    config = schema.Config(
        dns=_read_dns(blocks["dns"]),
        proxy=read_proxy(blocks["proxy"], blocks["upstream_proxy"]),
        tls=read_tls(blocks["tls"]),
        clients=read_clients(root),
        transforms=tuple(_read_transforms(root)),
        metrics=_read_metrics(blocks["metrics"]),
        log=_read_log(blocks["log"]),
    )
    if root.has("upstream_tls"):
        root.problem("upstream_tls", 'unknown key at the top (it stands under "proxy": proxy.upstream_tls)')
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
        listen=listen(section, "listen", schema.DEFAULT_DNS_LISTEN) if is_enabled else None,
        proxy_ip=_proxy_ip(section) if is_enabled else None,
        upstream_resolver=_resolver(section),
        passthrough=tuple(host_patterns(section, "passthrough")),
        records=tuple(_record(entry) for entry in section.sections("records")),
    )
    section.acknowledge("listen", "proxy_ip")  # without effect, and unchecked, when DNS is off
    section.finish()
    return config


def _proxy_ip(section: Section) -> str | None:
    text = section.text("proxy_ip")
    if not text:
        return None  # `cross_checks.py` says so
    if not is_address(text, ipaddress.IPv4Address):
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
    if is_address(value, ipaddress.IPv4Address):
        return
    if is_address(value, ipaddress.IPv6Address):
        section.problem("value", f'"{value}" is IPv6 and an A record holds IPv4; write the IPv4 address of the host')
    else:
        section.problem("value", f'"{value}" is not an IPv4 address; for another name use type CNAME')


def _record_name(section: Section, key: str, text: str) -> str:
    parsed = parse_name(text)
    if parsed is None:
        section.problem(key, f'"{text}" is not a host name; write one such as internal.example.com (or xn--...)')
        return text
    canonical, is_address = parsed
    if is_address:
        section.problem(key, f'"{text}" is an address where a host name must stand; addresses are values of A records')
    return canonical


# --- the smaller blocks ---------------------------------------------------------------------------------------------


def _read_transforms(root: Section) -> list[schema.TransformConfig]:
    transforms = []
    for entry in root.sections("transforms"):
        name = entry.required_text("name")
        transforms.append(schema.TransformConfig(name, entry.section_or_empty("config"), entry.line))
        entry.finish()
    return transforms


def _read_metrics(section: Section) -> schema.MetricsConfig:
    config = schema.MetricsConfig(listen=listen_or_off(section, "listen", schema.DEFAULT_METRICS_LISTEN))
    section.finish()
    return config


def _read_log(section: Section) -> schema.LogConfig:
    level = section.text("level") or "info"
    if level not in _LEVELS:
        section.problem("level", f'unknown log level: "{level}" (write one of {", ".join(_LEVELS)})')
    audit_schema = section.choice("audit_schema", ("seed", "v0.46"), "seed")
    section.finish()
    return schema.LogConfig(cast("schema.LogLevel", level), cast("schema.AuditSchema", audit_schema))
