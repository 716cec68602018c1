"""
Which addresses are never connected to, judged on the numeric address right before it is connected to.

Called by `dialer.py` for every address a name resolves to, so re-pointing a name between the allowlist and the dial
(DNS rebinding) gains nothing. Host names are the allowlist's business, not ours. No I/O.

The table is our own: `ipaddress.is_global` and its kin give wrong answers for NAT64, IPv4-compatible and metadata
addresses (and differ between Python versions). An IPv6 address that carries an IPv4 one is judged by both.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DEFAULT_DENIED: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",              # "this network"; Linux connects 0.0.0.0 to loopback
            "127.0.0.0/8",            # loopback
            "169.254.0.0/16",         # link-local, with every cloud's metadata service
            "100.100.100.200/32",     # metadata: Alibaba Cloud
            "168.63.129.16/32",       # metadata: Azure's host agent
            "192.0.0.192/32",         # metadata: Oracle Cloud
            "224.0.0.0/4",            # multicast
            "240.0.0.0/4",            # reserved, and the broadcast address
            "::/128",                 # unspecified; Linux connects it to loopback
            "::1/128",                # loopback
            "fe80::/10",              # link-local
            "fec0::/10",              # site-local, deprecated but still routed by some
            "ff00::/8",               # multicast
            "fd00:ec2::/32",          # metadata: AWS
            "fd20:ce::254/128",       # metadata: Google Cloud
        ),
    )
)

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))     # RFC 6052, RFC 8215
_COMPATIBLE = IPv6Network("::/96")                                        # RFC 4291 section 2.5.5.1, deprecated
_6TO4 = IPv6Network("2002::/16")                                          # RFC 3056
_TEREDO = IPv6Network("2001::/32")                                        # RFC 4380: the client's address, inverted
# RFC 5214 section 6.1: an interface identifier of 0000:5efe or 0200:5efe, then the IPv4 address.
_ISATAP_IDENTIFIERS = (0x00005EFE, 0x02005EFE)


class DenyList:
    """The built-in list, or the operator's (`upstream_deny_cidrs`) in its place."""

    def __init__(self, configured: Sequence[Network] | None = None) -> None:
        self._is_default = configured is None
        networks = DEFAULT_DENIED if configured is None else tuple(configured)
        # Judged addresses are unwrapped to IPv4; a network written as IPv4-mapped must be as well, or never match.
        self._networks = tuple(map(_unmapped, networks))

    @property
    def texts(self) -> list[str]:
        """The networks as text, for the start-up log."""
        return [str(network) for network in self._networks]

    def denied_network(self, address: str, *, named_literally: bool) -> str | None:
        """
        The network that forbids a numeric address, or None.

        `named_literally`: the operator wrote this very address, CIDR or `localhost` in the allowlist, which overrules
        the built-in list, but never a configured one.
        """
        if self._is_default and named_literally:
            return None
        for candidate in readings_of(address):
            for network in self._networks:
                if candidate.version == network.version and candidate in network:
                    return str(network)
        return None


def readings_of(address: str) -> Iterator[Address]:
    """The address itself and every IPv4 address it carries; a zone (`%eth0`) is not part of it."""
    outer = ip_address(address.partition("%")[0])
    yield outer
    if isinstance(outer, IPv6Address):
        yield from _embedded(outer)


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    number = int(address)
    low = IPv4Address(number & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and number > 1):
        yield low
    if address in _6TO4:
        yield IPv4Address((number >> 80) & 0xFFFFFFFF)
    if address in _TEREDO:
        yield IPv4Address(~number & 0xFFFFFFFF)
    if (number >> 32) & 0xFFFFFFFF in _ISATAP_IDENTIFIERS:
        yield low


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None and network.prefixlen >= 96:
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network
