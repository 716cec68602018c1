"""
The `ip` commands beside a TPROXY ruleset: packets with our mark are local, whatever their address.

Called by `applying.py`, which runs them, and by `cli/tproxy.py`, which prints them. No I/O.
"""

from collections.abc import Iterable

from iron_proxy.nftables.marks import INTERCEPTED, ROUTING_TABLE, RULE_PRIORITY
from iron_proxy.nftables.settings import Settings

Command = tuple[str, ...]

# What `ip` says when there is nothing to do any more.
ALREADY_THERE = ("File exists",)
ALREADY_GONE = ("No such file or directory", "No such process", "FIB table does not exist", "not supported")

_RULE = ("priority", str(RULE_PRIORITY), "fwmark", f"{INTERCEPTED:#x}/{INTERCEPTED:#x}", "lookup", str(ROUTING_TABLE))
_ROUTE = ("local", "default", "dev", "lo", "table", str(ROUTING_TABLE))


def families(settings: Settings) -> list[str]:
    """The option of `ip` for each family that the proxy has an address in."""
    return [
        option
        for option, address in (("-4", settings.proxy_ip), ("-6", settings.proxy_ip6))
        if address is not None
    ]


def commands_up(options: Iterable[str]) -> list[Command]:
    """Routes first: a rule that leads to an empty table would be passed over."""
    return [
        command
        for option in options
        for command in (("ip", option, "route", "replace", *_ROUTE), ("ip", option, "rule", "add", *_RULE))
    ]


def commands_down() -> list[Command]:
    """For both families, whichever `commands_up` was for."""
    return [
        command
        for option in ("-4", "-6")
        for command in (("ip", option, "rule", "del", *_RULE), ("ip", option, "route", "del", *_ROUTE))
    ]
