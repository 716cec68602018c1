"""Who counts as one client where clients are counted: by address, whatever it says."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4096)
def client_key(host: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address, whose owner has all the others; a name as it is."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64))


def client_key_of_peer(peer: str) -> str:
    """The same for `1.2.3.4:567` and `[v6]:567`."""
    return client_key(peer.rpartition(":")[0].strip("[]"))
