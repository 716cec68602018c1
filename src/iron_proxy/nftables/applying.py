"""
Load a ruleset and set the policy routes, or take both away. Runs `nft` and `ip`; needs CAP_NET_ADMIN.

The order leaves no gap: routes come before the rules that need them and go after. Called by `cli/tproxy.py`.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from iron_proxy.errors import StartupError
from iron_proxy.nftables.policy_routing import ALREADY_GONE, ALREADY_THERE, Command, commands_down, commands_up
from iron_proxy.nftables.ruleset import REMOVAL

# A netlink conversation takes milliseconds; a machine that swaps may need seconds.
TIMEOUT = 30.0
_CAP_NET_ADMIN = 12                              # linux/capability.h
# Not on every user's PATH.
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_PACKAGES = {"nft": "nftables", "ip": "iproute2"}


def bring_up(text: str, options: Sequence[str]) -> None:
    """Set the routes of these families, then load the ruleset. Raises StartupError."""
    check_right()
    for command in commands_up(options):
        _run(command, fine=ALREADY_THERE)
    _run(("nft", "-f", "-"), text=text)


def take_down() -> None:
    """Remove the table, then rules and routes; what is not there is no error. Raises StartupError."""
    check_right()
    _run(("nft", "-f", "-"), text=REMOVAL)
    for command in commands_down():
        _run(command, fine=ALREADY_GONE)


def check_right(status: Path = Path("/proc/self/status")) -> None:
    """Raises StartupError unless the firewall may be changed."""
    try:
        lines = status.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise StartupError("the firewall of Linux is needed, and this is another system") from error
    effective = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    if not effective >> _CAP_NET_ADMIN & 1:
        raise StartupError("not permitted: run it as root (it needs CAP_NET_ADMIN), or use -print and load that")


def _run(command: Command, text: str = "", fine: Sequence[str] = ()) -> None:
    """`fine` are errors that mean that nothing was left to do."""
    program = shutil.which(command[0]) or shutil.which(command[0], path=_SYSTEM_FOLDERS)
    if program is None:
        package = _PACKAGES[command[0]]
        raise StartupError(f"the program {command[0]} is missing: install {package} (apt install {package})")
    try:
        done = subprocess.run(  # noqa: S603 - one of two programs, by its whole path, without a shell
            [program, *command[1:]], input=text, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StartupError(f"{' '.join(command)} could not be run") from error
    if done.returncode and not any(words in done.stderr for words in fine):
        raise StartupError(f"{' '.join(command)}: {done.stderr.strip() or 'failed'}")
