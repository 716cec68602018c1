"""
What a ruleset is made from, checked: where the proxy is, who may go out, whose packets are meant.

Called by `cli/firewall_flags.py`. No I/O.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

Mode = Literal["enforce", "redirect", "tproxy"]

# Ports whose protocol the proxy's HTTP and HTTPS listeners serve wherever a client connects to.
DEFAULT_CAPTURED = (80, 443)
# linux/if.h, IFNAMSIZ without its end. Quotes, spaces and slashes never stand in a name; `*` at the end is nft's.
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}\*?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Addresses and ports of the proxy, and whom the rules are for. `check_settings` says what does not fit.

    `uids` may go out, all other local users may not. `interfaces` are those behind which workloads sit, when this
    machine is their router. Without either the rules are for a workload's own network namespace. A port of 0 is a
    listener that is off; `captured` are the TCP ports that are brought to the proxy, None is all.
    """

    mode: Mode = "enforce"
    proxy_ip: IPv4Address | None = None
    proxy_ip6: IPv6Address | None = None
    uids: tuple[int, ...] = ()
    interfaces: tuple[str, ...] = ()
    http_port: int = 80
    https_port: int = 443
    dns_port: int = 53
    tunnel_port: int = 8080
    captured: tuple[int, ...] | None = DEFAULT_CAPTURED

    @property
    def intercepts(self) -> bool:
        """Whether connections to other addresses are brought to the proxy, and not only refused."""
        return self.mode != "enforce"


def check_settings(settings: Settings) -> None:
    """Raises ValueError with what is wrong and what to write instead."""
    if settings.proxy_ip is None and settings.proxy_ip6 is None:
        raise ValueError("the proxy's address is missing: -proxy-ip ADDRESS (or -proxy-ip6 ADDRESS)")
    for address in (settings.proxy_ip, settings.proxy_ip6):
        if address is not None and (address.is_unspecified or address.is_multicast):
            raise ValueError(f"{address} is not the address of a machine; give the one where workloads reach the proxy")
    ports = (settings.http_port, settings.https_port, settings.dns_port, settings.tunnel_port)
    check_ports((*ports, *(settings.captured or ())))
    if not any(ports):
        raise ValueError("all ports are 0: nothing could reach the proxy")
    for name in settings.interfaces:
        if not _INTERFACE.fullmatch(name):
            raise ValueError(f'"{name}" is not the name of a network interface')
    _check_interception(settings)


def check_ports(ports: Sequence[int]) -> None:
    """Raises ValueError."""
    for port in ports:
        if not 0 <= port <= 65535:
            raise ValueError(f"{port} is not a port; ports are 1 to 65535, and 0 is a listener that is off")


def _check_interception(settings: Settings) -> None:
    if not settings.intercepts:
        return
    if not settings.uids and not settings.interfaces:
        raise ValueError(
            f"-mode {settings.mode} needs to know whose connections to take: -uid UID of the proxy for those of all "
            "other users of this machine, -interface NAME for those of machines behind it"
        )
    if not settings.http_port and not settings.https_port:
        raise ValueError(f"-mode {settings.mode} needs the port of a listener: -http-port or -https-port")
    if settings.captured == ():
        raise ValueError(f"-mode {settings.mode} needs ports to take: -ports 80,443 or -ports all")
