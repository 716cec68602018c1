"""
The whole ruleset as text for `nft -f`: one table, replaced as a whole, so that loading twice is the same as once.

Called by `cli/nft.py` and `cli/tproxy.py`. No I/O: who wants it loaded hands it to `applying.py`.
"""

from iron_proxy.nftables.enforcement import enforcing_chains
from iron_proxy.nftables.interception import intercepting_chains
from iron_proxy.nftables.marks import TABLE
from iron_proxy.nftables.settings import Settings

# Adding a table that is there does nothing, so the deletion behind it never fails; all of the file is one transaction.
REMOVAL = f"table inet {TABLE}\ndelete table inet {TABLE}\n"


def ruleset(settings: Settings, command: str) -> str:
    """The text, ending in a newline. `command` is what made it, for the comment at its head."""
    chains = "\n\n".join([*enforcing_chains(settings), *intercepting_chains(settings)])
    return (
        f"#!/usr/sbin/nft -f\n# Made by: {command}\n{_headline(settings)}\n\n"
        f"# So that loading twice is the same as loading once.\n{REMOVAL}\ntable inet {TABLE} {{\n{chains}\n}}\n"
    )


def _headline(settings: Settings) -> str:
    lines = [_WHERE[_place(settings)]]
    if settings.mode == "redirect":
        lines.append(_REDIRECT)
    if settings.mode == "tproxy":
        lines.append(_TPROXY)
    return "\n".join(lines)


def _place(settings: Settings) -> tuple[bool, bool]:
    return bool(settings.uids), bool(settings.interfaces)


_WHERE = {
    (False, False): """\
# In the workload's network namespace: IPv4 and IPv6 go to the proxy or nowhere. Load it as root before anything that is
# not trusted runs, and run that without CAP_NET_ADMIN and CAP_NET_RAW: who has them can remove or pass these rules.""",
    (True, False): """\
# On the machine that workloads share with the proxy: the listed users may go out, all others reach the proxy or
# nowhere. Load it as root before anything that is not trusted runs, and run that as another user, without
# CAP_NET_ADMIN and CAP_NET_RAW: who has them can remove or pass these rules.""",
    (False, True): """\
# On the router of workloads, where the proxy runs: what comes from them reaches the proxy or nowhere.""",
    (True, True): """\
# On the router of workloads, where the proxy runs: what comes from them reaches the proxy or nowhere, and the same
# holds for this machine's own users but those that are listed. Load it as root before anything untrusted runs.""",
}
_REDIRECT = """\
# Connections to other addresses are redirected to the proxy (proxy.transparent: redirect), whose listeners have to be
# on every address (`:80`)."""
_TPROXY = """\
# Connections to other addresses are taken to the proxy by TPROXY (proxy.transparent: tproxy). That needs the policy
# routes of `iron-proxy tproxy up`; without them those connections lead nowhere."""
