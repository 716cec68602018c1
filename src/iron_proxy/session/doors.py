"""Which sockets a jail is to have, and which names and addresses are in it. Light: needed before the proxy is there."""

from dataclasses import replace
from typing import Final

from iron_proxy.config.schema import Config
from iron_proxy.errors import ConfigError
from iron_proxy.jail.loopback import OWN_ADDRESS
from iron_proxy.jail.plan import MAX_DOORS, Door

DNS_PORT, HTTP_PORT, HTTPS_PORT = 53, 80, 443
DNS_UDP, DNS_TCP, HTTP, HTTPS, TUNNEL = "dns-udp", "dns-tcp", "http", "https", "tunnel"
EXTRA: Final = "extra-"

# What every name resolves to. Set aside for tests of networks (RFC 5180), so that it is nobody's.
OWN_ADDRESS6: Final = "2001:2::1"

RESOLV_CONF: Final = f"nameserver {OWN_ADDRESS}\n".encode("ascii")


def in_session(config: Config) -> Config:
    """
    The configuration as it holds in a session: names resolve, and lead here; nobody but the program can be a client.

    Where listeners listen is the jail's matter, so that of their addresses only `off` and the tunnel's port count.
    """
    dns = replace(
        config.dns,
        enabled=True,
        proxy_ip=config.dns.proxy_ip or OWN_ADDRESS,
        proxy_ip6=config.dns.proxy_ip6 or (None if config.dns.proxy_ip else OWN_ADDRESS6),
    )
    proxy = replace(config.proxy, require_client=False, transparent="off")
    return replace(config, dns=dns, proxy=proxy)


def doors_for(config: Config, ports: tuple[int, ...]) -> tuple[Door, ...]:
    """The doors of a jail. `ports`: more of them, for whatever is spoken there. Raises ConfigError for too many."""
    doors = {DNS_PORT: Door(DNS_TCP, DNS_PORT)}
    if config.proxy.http_listen is not None:
        doors[HTTP_PORT] = Door(HTTP, HTTP_PORT)
    if config.proxy.https_listen is not None:
        doors[HTTPS_PORT] = Door(HTTPS, HTTPS_PORT)
    tunnel = config.proxy.tunnel_listen
    if tunnel is not None and tunnel.port:
        doors.setdefault(tunnel.port, Door(TUNNEL, tunnel.port))
    for port in ports:
        doors.setdefault(port, Door(f"{EXTRA}{port}", port))
    if len(doors) >= MAX_DOORS:
        raise ConfigError([f"{len(doors)} ports lead out, and a jail can have {MAX_DOORS - 1}: name fewer ports"])
    return (Door(DNS_UDP, DNS_PORT, is_udp=True), *doors.values())


def own_addresses(config: Config) -> frozenset[str]:
    """The addresses that names resolve to."""
    return frozenset(filter(None, (config.dns.proxy_ip, config.dns.proxy_ip6)))
