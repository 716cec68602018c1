"""
Where a secret may go without TLS: to loopback and private addresses, when the request names them as such.

A name other than `localhost` counts as public however it looks: where it leads is known only when it is dialled, and
its suffix (`.internal`, `.local`) proves nothing. An operator who knows better says `allow_plaintext: true`.
"""

import ipaddress
from functools import lru_cache

from iron_proxy.messages.authority import Target

# RFC 1122 and RFC 4291 loopback, RFC 1918, RFC 4193. Not link-local: metadata services live there.
_PRIVATE = tuple(
    map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)


def may_go_in_clear(scheme: str, target: Target) -> bool:
    """Whether a secret may be sent by this scheme to this destination."""
    return scheme != "http" or _is_private(target.host, target.is_ip)


@lru_cache(maxsize=1024)
def _is_private(host: str, is_ip: bool) -> bool:
    if not is_ip:
        # RFC 6761 section 6.3: localhost and everything below it is loopback.
        return host == "localhost" or host.endswith(".localhost")
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in _PRIVATE)
