"""
The filter chains: who may send what. Default deny, the proxy excepted; IPv4 and IPv6 alike.

Three places to stand, each with its chains: a workload's own network namespace; a machine that workloads share with the
proxy, told apart by user; a router with workloads behind an interface. Called by `ruleset.py`. No I/O.
"""

from collections.abc import Iterable

from iron_proxy.nftables.marks import ANSWERED_CONNECTION, INTERCEPTED, OWN_CONNECTION
from iron_proxy.nftables.settings import Settings

_REFUSED = "counter reject with icmpx admin-prohibited"
# To TCP, Linux takes an ICMP error about its own first packet as a hint only and asks again after a second.
_REFUSED_TCP = "meta l4proto tcp counter reject with tcp reset"
_NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"


def enforcing_chains(settings: Settings) -> list[str]:
    """The chains for where the rules are loaded, as text."""
    if not settings.uids and not settings.interfaces:
        return [_workload_output(settings), _WORKLOAD_INPUT, _WORKLOAD_FORWARD]
    chains = []
    if settings.uids:
        chains.append(_users_output(settings))
    if settings.interfaces:
        chains += [_interface_input(settings), _interface_forward(settings)]
    if settings.mode == "tproxy":
        chains.append(_POSTROUTING)
    return chains


def chain(name: str, hook: str, rules: list[str]) -> str:
    """A chain as text; `hook` is "" for one that others jump to."""
    lines = [*([hook] if hook else []), *([""] if hook and rules else []), *rules]
    return "\n".join([f"    chain {name} {{", *(f"        {line}" if line else "" for line in lines), "    }"])


def numbers(values: Iterable[int]) -> str:
    """A set of numbers, each once, in order."""
    return "{ " + ", ".join(map(str, sorted(set(values)))) + " }"


def interface_names(settings: Settings) -> str:
    """The interfaces as a set."""
    return "{ " + ", ".join(f'"{name}"' for name in settings.interfaces) + " }"


# --- a workload's own namespace -------------------------------------------------------------------------------------


def _workload_output(settings: Settings) -> str:
    rules = ['oif "lo" accept', "", *_quic(), *_to_proxy(settings), "", *_neighbours(), "", *_rejected()]
    return chain("output", "type filter hook output priority filter; policy drop;", rules)


_WORKLOAD_INPUT = chain(
    "input",
    "type filter hook input priority filter; policy drop;",
    [
        'iif "lo" accept',
        "# Answers of the proxy; nobody else is spoken to.",
        "ct state established,related accept",
        _NEIGHBOURS,
    ],
)
_WORKLOAD_FORWARD = chain("forward", "type filter hook forward priority filter; policy drop;", [])


# --- users of this machine ------------------------------------------------------------------------------------------


def _users_output(settings: Settings) -> str:
    allowed, answering = numbers(settings.uids), numbers([0, *settings.uids])
    rules = [
        'oif "lo" accept',
        *_brought_to_proxy(settings),
        "",
        "# Who may go out. What is sent after a socket was closed has no user, so the connection remembers.",
        f"ct direction original meta skuid {allowed} ct mark set ct mark or {OWN_CONNECTION:#x} accept",
        f"ct direction original ct mark and {OWN_CONNECTION:#x} != 0 ct state established,related accept",
        "",
        "# Services of root and of those users may answer who has connected to them from outside; no other may.",
        f"ct direction reply meta skuid {answering} ct mark set ct mark or {ANSWERED_CONNECTION:#x} accept",
        f"ct direction reply ct mark and {ANSWERED_CONNECTION:#x} != 0 ct state established,related accept",
        "# What the kernel answers by itself. Nobody without CAP_NET_RAW can put anything into these.",
        "ct direction reply tcp flags rst accept",
        "icmp type { echo-reply, destination-unreachable, time-exceeded, parameter-problem } accept",
        "icmpv6 type { echo-reply, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
        "",
        *_quic(),
        *_to_proxy(settings),
        "",
        *_neighbours(),
        "icmpv6 type { nd-router-solicit, mld-listener-report, mld2-listener-report } accept",
        "",
        *_rejected(),
    ]
    return chain("output", "type filter hook output priority filter; policy drop;", rules)


def _brought_to_proxy(settings: Settings) -> list[str]:
    """What the other chains have turned towards the proxy still has the interface here that it would have left by."""
    if settings.mode == "redirect":
        return ["fib daddr type local accept"]
    if settings.mode == "tproxy":
        return [f"meta mark and {INTERCEPTED:#x} != 0 accept", "fib daddr type local accept"]
    return []


# --- machines behind an interface -----------------------------------------------------------------------------------


def _interface_input(settings: Settings) -> str:
    rules = [
        f"iifname != {interface_names(settings)} accept",
        "",
        "# Answers to what this machine has asked them.",
        "ct direction reply ct state established,related accept",
        *_intercepted_input(settings),
        *_quic(),
        *_to_proxy(settings),
        "",
        "# What a network needs to work; it ends at this machine.",
        "udp sport 68 udp dport 67 accept",
        _NEIGHBOURS,
        "icmpv6 type { nd-router-solicit, mld-listener-report, mld2-listener-report } accept",
        "",
        *_rejected(),
    ]
    return chain("input", "type filter hook input priority filter; policy accept;", rules)


def _intercepted_input(settings: Settings) -> list[str]:
    """What was brought here has another address by now (redirect), or has kept its own (TPROXY)."""
    web, dns = (settings.http_port, settings.https_port), settings.dns_port
    rules = [f"ct status dnat udp dport {dns} accept"] if settings.intercepts and dns else []
    redirected = (*web, dns) if settings.mode == "redirect" else (dns,)
    if settings.intercepts and any(redirected):
        rules.append(f"ct status dnat tcp dport {numbers(filter(None, redirected))} accept")
    if settings.mode == "tproxy":
        rules.append(f"meta mark and {INTERCEPTED:#x} != 0 accept")
    return rules


def _interface_forward(settings: Settings) -> str:
    rules = [
        "# Nothing of theirs is passed on: the proxy makes connections of its own.",
        f"iifname != {interface_names(settings)} accept",
        *_quic(),
        *_rejected(),
    ]
    return chain("forward", "type filter hook forward priority filter; policy accept;", rules)


# --- what they share ------------------------------------------------------------------------------------------------

_POSTROUTING = chain(
    "postrouting",
    "type filter hook postrouting priority mangle; policy accept;",
    [
        "# A packet that was to be taken to the proxy must not leave, should the policy route be missing.",
        f'meta mark and {INTERCEPTED:#x} != 0 oif != "lo" counter drop',
    ],
)


def _quic() -> list[str]:
    return [f"udp dport 443 {_REFUSED}" ' comment "QUIC: refused at once, so that clients fall back to TCP"']


def _to_proxy(settings: Settings) -> list[str]:
    tcp = [settings.dns_port, settings.http_port, settings.https_port, settings.tunnel_port]
    rules = []
    for family, address in (("ip", settings.proxy_ip), ("ip6", settings.proxy_ip6)):
        if address is not None:
            if settings.dns_port:
                rules.append(f"{family} daddr {address} udp dport {settings.dns_port} accept")
            rules.append(f"{family} daddr {address} tcp dport {numbers([port for port in tcp if port])} accept")
    return rules


def _neighbours() -> list[str]:
    return ["# Without neighbour discovery nothing finds the proxy's link-layer address over IPv6.", _NEIGHBOURS]


def _rejected() -> list[str]:
    return [
        "# An error at once is easier to understand than a timeout.",
        'limit rate 5/second burst 20 packets log prefix "iron-proxy-drop: "',
        _REFUSED_TCP,
        _REFUSED,
    ]
