"""
The chains that bring connections to the proxy which were for somebody else: by NAT (redirect) or by TPROXY.

DNS goes by NAT in both modes: the answer has to come from the server that was asked, which connection tracking sees to.
Called by `ruleset.py`. No I/O.
"""

from iron_proxy.nftables.enforcement import chain, interface_names, numbers
from iron_proxy.nftables.marks import INTERCEPTED, OWN_CONNECTION
from iron_proxy.nftables.settings import Settings

_NAT_PREROUTING = "type nat hook prerouting priority dstnat; policy accept;"
_NAT_OUTPUT = "type nat hook output priority dstnat; policy accept;"


def intercepting_chains(settings: Settings) -> list[str]:
    """The chains as text; none in mode `enforce`."""
    if settings.mode == "redirect":
        return _nat_chains(settings, _redirected(settings))
    if settings.mode == "tproxy":
        return [*_nat_chains(settings, []), *_tproxy_chains(settings)]
    return []


# --- NAT ------------------------------------------------------------------------------------------------------------


def _nat_chains(settings: Settings, tcp_rules: list[str]) -> list[str]:
    rules = [*_redirected_dns(settings), *tcp_rules]
    if not rules:
        return []
    chains = []
    if settings.interfaces:
        only = f"iifname != {interface_names(settings)} accept"
        chains.append(chain("nat_prerouting", _NAT_PREROUTING, [only, *rules]))
    if settings.uids:
        others = [f"meta skuid {numbers(settings.uids)} accept", "fib daddr type local accept"]
        chains.append(chain("nat_output", _NAT_OUTPUT, [*others, *rules]))
    return chains


def _redirected_dns(settings: Settings) -> list[str]:
    if not settings.dns_port:
        return []
    to = f"redirect to :{settings.dns_port}"
    return [f"{_families(settings)}{protocol} dport 53 {to}" for protocol in ("udp", "tcp")]


def _redirected(settings: Settings) -> list[str]:
    return [
        f"{_families(settings)}{_only_elsewhere(match)}{match} redirect to :{port}"
        for match, port in _captured(settings)
    ]


def _families(settings: Settings) -> str:
    """Only a family in which the proxy has an address is taken to it; the other leads nowhere."""
    if settings.proxy_ip6 is None:
        return "meta nfproto ipv4 "
    return "meta nfproto ipv6 " if settings.proxy_ip is None else ""


# --- TPROXY ---------------------------------------------------------------------------------------------------------


def _tproxy_chains(settings: Settings) -> list[str]:
    taken = []
    for family, protocol, address in (
        ("ip", "ipv4", None if settings.proxy_ip is None else str(settings.proxy_ip)),
        ("ip6", "ipv6", None if settings.proxy_ip6 is None else f"[{settings.proxy_ip6}]"),
    ):
        if address is not None:
            taken += [
                f"meta nfproto {protocol} {_only_elsewhere(match)}{match} tproxy {family} to {address}:{port} "
                f"meta mark set meta mark or {INTERCEPTED:#x} accept"
                for match, port in _captured(settings)
            ]
    chains = [chain("taken", "", taken), _tproxy_prerouting(settings)]
    return [*chains, _marking_output(settings)] if settings.uids else chains


def _tproxy_prerouting(settings: Settings) -> str:
    rules = []
    if settings.interfaces:
        rules.append(f"iifname {interface_names(settings)} jump taken")
    if settings.uids:
        rules.append(f'iif "lo" meta mark and {INTERCEPTED:#x} != 0 jump taken')
    return chain("prerouting", "type filter hook prerouting priority mangle; policy accept;", rules)


def _marking_output(settings: Settings) -> str:
    """What this machine's users send is marked, which sends it through loopback to the prerouting chain."""
    rules = [
        f"ct direction original meta skuid {numbers(settings.uids)} ct mark set ct mark or {OWN_CONNECTION:#x}",
        f"ct direction original ct mark and {OWN_CONNECTION:#x} != 0 accept",
        "ct direction reply accept",
        "fib daddr type local accept",
    ]
    rules += [
        f"{_families(settings)}{match} meta mark set meta mark or {INTERCEPTED:#x}" for match, _ in _captured(settings)
    ]
    return chain("output_route", "type route hook output priority mangle; policy accept;", rules)


# --- what they share ------------------------------------------------------------------------------------------------


def _captured(settings: Settings) -> list[tuple[str, int]]:
    """(which TCP ports, the proxy's port they go to). The listeners tell TLS from HTTP, so one serves for the rest."""
    http, https = settings.http_port or settings.https_port, settings.https_port or settings.http_port
    captured = settings.captured
    if captured is None:
        rest = "tcp dport != 53" if settings.dns_port else "meta l4proto tcp"
        return [("tcp dport 443", https), ("tcp dport 80", http), (rest, http)]
    named = (80, 443, 53) if settings.dns_port else (80, 443)       # questions are answered, not taken for HTTP
    others = [port for port in captured if port not in named]
    rules = [("tcp dport 443", https)] if 443 in captured else []
    rules += [("tcp dport 80", http)] if 80 in captured else []
    return [*rules, (f"tcp dport {numbers(others)}", http)] if others else rules


def _only_elsewhere(match: str) -> str:
    """This machine's own other services stay reachable as they are; 80 and 443 are where names lead that DNS routes."""
    return "" if match in ("tcp dport 443", "tcp dport 80") else "fib daddr type != local "
