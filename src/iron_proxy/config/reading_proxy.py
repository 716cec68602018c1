"""
The `proxy:` block: listeners, limits, what may be upgraded to, and the outbound proxy.

How upstreams are verified (`proxy.upstream_tls`) is read by `reading_tls.py`. Called by `reading.py`.
"""

import re
from typing import Final, Literal, cast

from iron_proxy.config import schema
from iron_proxy.config.proxy_urls import NoProxy, parse_proxy_url
from iron_proxy.config.reading_tls import read_upstream_tls
from iron_proxy.config.section import Section
from iron_proxy.config.value_kinds import OFF, listen_or_off, lower, parse_cidr
from iron_proxy.messages.headers import TOKEN

_PROTOCOL = re.compile(TOKEN.decode("ascii") + "+")
_WORKERS = re.compile("[0-9]{1,4}")
# More than the cores of the largest machines make sense for, so that a typing error starts no thousand processes.
MAX_WORKERS: Final = 256
# Through these a client could speak past every rule, so no configuration may allow them.
_NEVER_UPGRADED_TO: Final = {
    "h2c": "HTTP/2 without TLS would bypass policy; proxy.http2 serves HTTP/2 over TLS",
    "tls": "what is inside would be neither read nor decided on; clients reach TLS by https or CONNECT",
}


def read_proxy(section: Section, upstream_proxy: Section) -> schema.ProxyConfig:
    """Read the block; `upstream_proxy` is the mapping of that name in it, with what variables put there."""
    config = schema.ProxyConfig(
        http_listen=listen_or_off(section, "http_listen", schema.DEFAULT_HTTP_LISTEN),
        https_listen=listen_or_off(section, "https_listen", schema.DEFAULT_HTTPS_LISTEN),
        tunnel_listen=listen_or_off(section, "tunnel_listen", OFF),
        max_request_body_bytes=_limit(section, "max_request_body_bytes", schema.DEFAULT_MAX_REQUEST_BODY_BYTES),
        max_response_body_bytes=_limit(section, "max_response_body_bytes", None),
        upstream_response_header_timeout=section.duration(
            "upstream_response_header_timeout", schema.DEFAULT_UPSTREAM_RESPONSE_HEADER_TIMEOUT, positive=True
        ),
        upstream_deny_cidrs=_deny_cidrs(section),
        default_action=cast("schema.DefaultAction", section.choice("default_action", ("deny", "allow"), "deny")),
        denial_body=cast("schema.DenialBody", section.choice("denial_body", ("empty", "explain"), "empty")),
        upstream_proxy=_upstream_proxy(upstream_proxy),
        upstream_tls=read_upstream_tls(section.section_or_empty("upstream_tls")),
        http2=cast("schema.HTTP2", section.choice("http2", ("both", "clients", "upstreams", "off"), "both")),
        upgrades=_upgrades(section),
        websocket_idle_timeout=section.duration(
            "websocket_idle_timeout", schema.DEFAULT_WEBSOCKET_IDLE_TIMEOUT, positive=True
        ),
        websocket_max_duration=section.duration("websocket_max_duration", 0.0, positive=True) or None,
        drain_delay=section.duration("drain_delay", 0.0, positive=True),
        require_client=section.boolean("require_client"),
        transparent=cast("schema.Transparent", section.choice("transparent", ("off", "tproxy", "redirect"), "off")),
        workers=_workers(section),
    )
    section.finish()
    return config


def _workers(section: Section) -> "int | Literal['auto']":
    text = section.text("workers") or "1"
    if text == "auto":
        return "auto"
    if not _WORKERS.fullmatch(text) or not 1 <= int(text) <= MAX_WORKERS:
        section.problem("workers", f'must be auto or a number from 1 to {MAX_WORKERS}; got "{text}"')
        return 1
    return int(text)


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
            networks.append(parse_cidr(text))
        except ValueError as error:
            section.problem_at(line, f"upstream_deny_cidrs[{index}]", str(error))
    return tuple(networks)


def _upgrades(section: Section) -> tuple[str, ...]:
    if not section.has("upgrades"):
        return schema.DEFAULT_UPGRADES
    names = []
    for index, (text, line) in enumerate(section.texts_with_lines("upgrades")):
        name = lower(text)
        if not _PROTOCOL.fullmatch(name):
            remedy = "write its name alone, such as websocket or tcp"
            section.problem_at(line, f"upgrades[{index}]", f'"{text}" is not the name of a protocol; {remedy}')
        elif name in _NEVER_UPGRADED_TO:
            section.problem_at(line, f"upgrades[{index}]", f"{name} is never allowed: {_NEVER_UPGRADED_TO[name]}")
        names.append(name)
    return tuple(dict.fromkeys(names))


# --- the outbound proxy ---------------------------------------------------------------------------------------------


def _upstream_proxy(section: Section) -> schema.UpstreamProxyConfig:
    http_proxy, https_proxy = _proxy_url(section, "http_proxy"), _proxy_url(section, "https_proxy")
    no_proxy = section.text("no_proxy")
    if not http_proxy and not https_proxy:
        no_proxy = ""  # NO_PROXY is set on many machines, for other programs: without a proxy it says nothing to us
    try:
        NoProxy.parse(no_proxy)
    except ValueError as error:
        section.problem("no_proxy", str(error))
    section.finish()
    return schema.UpstreamProxyConfig(http_proxy, https_proxy, no_proxy)


def _proxy_url(section: Section, key: str) -> str:
    text = section.text(key)
    if text:
        try:
            parse_proxy_url(text)
        except ValueError as error:
            section.problem(key, str(error))
    return text
