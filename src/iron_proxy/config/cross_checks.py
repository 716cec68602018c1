"""
What shows only when several keys are seen together: a CA where TLS is terminated, listeners in each other's way.

Called by `reading.py` once all blocks are read. A check of one key alone stands where that key is read.
"""

import ipaddress
from collections.abc import Mapping
from itertools import combinations

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config
from iron_proxy.config.section import Section

# A block, its key, and the address read from it.
_Listener = tuple[str, str, ListenAddress]


def check_config(config: Config, blocks: Mapping[str, Section], *, in_session: bool = False) -> None:
    """
    Note every contradiction on the section where it can be mended.

    `in_session`: for `iron-proxy run`, whose listeners are where no other program's are, and which makes a CA where
    none is named. What is missing or taken for serving is none of its business.
    """
    terminates_tls = config.proxy.https_listen is not None or config.proxy.tunnel_listen is not None
    if in_session:
        terminates_tls = config.tls.ca_cert is not None or config.tls.ca_key is not None
    elif config.dns.enabled and config.dns.proxy_ip is None and config.dns.proxy_ip6 is None:
        remedy = "the IPv4 address where clients reach iron-proxy (or set IRON_DNS_PROXY_IP, or dns.enabled: false)"
        blocks["dns"].problem("proxy_ip", f"is required; {remedy}")
    if config.tls.mode == "mitm" and terminates_tls:
        _check_ca(config, blocks["tls"])
    if config.tls.mode == "sni-only" and config.tls.passthrough:
        blocks["tls"].problem("passthrough", "is for mode mitm: with sni-only all TLS is passed through")
    if in_session:
        _check_one_process(config, blocks["proxy"])
    else:
        _check_workers(config, blocks["proxy"])
        _check_clients(config, blocks["proxy"])
        _check_transparent(config, blocks["proxy"])
        _check_listeners(_listeners(config), blocks)


def _check_ca(config: Config, tls: Section) -> None:
    if config.tls.ca_cert is None:
        tls.problem("ca_cert", "is required; make a CA with `iron-proxy generate-ca` (or set IRON_TLS_CA_CERT)")
    if config.tls.ca_key is None:
        tls.problem("ca_key", "is required; make a CA with `iron-proxy generate-ca` (or set IRON_TLS_CA_KEY)")


def _check_clients(config: Config, proxy: Section) -> None:
    if config.proxy.require_client and not config.clients:
        proxy.problem("require_client", "no clients are configured, so every request would be refused; add clients")
    if config.proxy.tunnel_listen is None:
        for client in config.clients:
            if client.has_password:
                remedy = "set proxy.tunnel_listen (or IRON_PROXY_TUNNEL_LISTEN), or list cidrs instead"
                client.section.problem("password", f"can be shown to the tunnel listener only, which is off; {remedy}")


def _check_transparent(config: Config, proxy: Section) -> None:
    if config.proxy.transparent != "off" and config.proxy.http_listen is config.proxy.https_listen is None:
        proxy.problem("transparent", "is for http_listen and https_listen, which are both off")


def _check_workers(config: Config, proxy: Section) -> None:
    if config.proxy.workers == 1:
        return
    if config.proxy.transparent != "off":
        remedy = "a worker cannot know the connections that another one has made; leave workers out"
        proxy.problem("workers", f"cannot be combined with transparent: {config.proxy.transparent}; {remedy}")
    for key, is_set in (("user", config.process.user is not None), ("seccomp", config.process.seccomp)):
        if is_set:
            remedy = "the supervisor has to start processes and to bind ports later on; leave one of them out"
            proxy.problem("workers", f"cannot be combined with process.{key}: {remedy}")


def _check_one_process(config: Config, proxy: Section) -> None:
    if config.proxy.workers != 1:
        proxy.problem("workers", "is for serving: `iron-proxy run` is one process; leave it out or write 1")


def _listeners(config: Config) -> list[_Listener]:
    # DNS is not among them: it is served over UDP first, and upstream lets it share a number with a TCP listener.
    all_of_them = (
        ("proxy", "http_listen", config.proxy.http_listen),
        ("proxy", "https_listen", config.proxy.https_listen),
        ("proxy", "tunnel_listen", config.proxy.tunnel_listen),
        ("metrics", "listen", config.metrics.listen),
        ("management", "listen", config.management.listen),
    )
    return [(block, key, address) for block, key, address in all_of_them if address is not None]


def _check_listeners(listeners: list[_Listener], blocks: Mapping[str, Section]) -> None:
    """Two listeners on one port: with SO_REUSEPORT both would bind, and share the connections by chance."""
    for (first_block, first_key, first), (block, key, second) in combinations(listeners, 2):
        if first.port == second.port != 0 and _overlap(first.host, second.host):
            blocks[block].problem(key, f"{second} is taken by {first_block}.{first_key}")


def _overlap(first: str, second: str) -> bool:
    return first == second or _covers(first, second) or _covers(second, first)


def _covers(wildcard: str, host: str) -> bool:
    if wildcard in ("", "::"):
        return True
    return wildcard == "0.0.0.0" and _is_ipv4(host)  # noqa: S104 - compared with, not bound


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True
