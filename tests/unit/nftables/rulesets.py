"""Settings for the tests of rules, and rules taken out of their text. Whether nft takes them: tests/end_to_end."""

import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from iron_proxy.nftables.settings import Settings

WORKLOAD = Settings(proxy_ip=IPv4Address("192.0.2.1"), proxy_ip6=IPv6Address("2001:db8::1"))
USERS = replace(WORKLOAD, uids=(998,))
ROUTER = replace(WORKLOAD, interfaces=("docker0", "br-*"))


def rules_of(chains: list[str], name: str) -> list[str]:
    """The rules of one chain, without comments and without the line that says where it hooks in."""
    [text] = [chain for chain in chains if re.match(rf"\s*chain {name} {{", chain)]
    lines = [line.strip() for line in text.splitlines()[1:-1]]
    return [line for line in lines if line and not line.startswith(("#", "type "))]


def names_of(chains: list[str]) -> list[str]:
    """The names of chains, in order."""
    return [chain.split()[1] for chain in chains]
