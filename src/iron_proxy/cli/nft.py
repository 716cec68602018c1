"""
`iron-proxy nft`: print firewall rules that leave workloads no way but the proxy.

The rules are made in `nftables/`; here are the flags and the words. Prints only: loading them is `nft -f`. Called by
`cli/main.py`.
"""

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.firewall_flags import SHARED_FLAGS, command_line, settings_from
from iron_proxy.cli.main import OK, USAGE
from iron_proxy.go_compat.flags import Flag, FlagSet
from iron_proxy.nftables.ruleset import ruleset

FLAGS = FlagSet(
    "nft",
    [
        *SHARED_FLAGS,
        Flag(
            "mode",
            "enforce",
            "enforce: refuse what is not for the proxy; redirect, tproxy: also bring to the proxy what was for others",
            "MODE",
        ),
    ],
)


def run(arguments: list[str]) -> int:
    """Print the ruleset; returns the exit status."""
    flags = read_flags(FLAGS, arguments, "; the proxy's address is given as: -proxy-ip ADDRESS")
    if isinstance(flags, int):
        return flags
    try:
        settings = settings_from(flags, flags.text("mode"))
    except ValueError as error:
        return complain(error, status=USAGE)
    print(ruleset(settings, command_line(["nft", *arguments])), end="")
    return OK
