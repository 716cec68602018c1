"""
The command that repairs what a verdict found missing. Pure but for the question which system this is.
"""

import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from typing import Final

from iron_proxy.doctor.clients import Client
from iron_proxy.doctor.verdicts import SYSTEM_STORE, Verdict, Way

# A folder for further roots, and the program that makes the system's bundle anew from it. The first that is there
# counts; Debian, Ubuntu and Alpine come last, because SUSE has a program of the same name.
_STORES: Final = (
    ("/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
    ("/etc/pki/trust/anchors", "update-ca-certificates"),
    ("/usr/local/share/ca-certificates", "update-ca-certificates"),
)


def system_store_command(
    ca_path: str, is_folder: Callable[[str], bool] = os.path.isdir, *, is_root: bool | None = None
) -> str:
    """What puts the CA into the system's trust store."""
    is_root = os.geteuid() == 0 if is_root is None else is_root
    sudo = "sudo " if not is_root and shutil.which("sudo") else ""
    folder, program = next((each for each in _STORES if is_folder(each[0])), _STORES[-1])
    return f"{sudo}cp {shlex.quote(ca_path)} {folder}/iron-proxy.crt && {sudo}{program}"


def repair_for(
    client: Client, verdicts: Mapping[Way, Verdict], wiring_command: str, ca_path: str, *, proxied: bool
) -> str:
    """
    The command for a client that does not work; "" where none is known to help.

    `proxied` says whether the wiring command also sets the proxy: then it does not help what works by DNS only.
    """
    as_it_is = verdicts.get(Way.AS_IT_IS)
    needed = verdicts.get(Way.PROXIED if proxied else Way.ROUTED)
    if as_it_is is not None and needed is not None and needed.works:
        return wiring_command
    if any(verdict.missing == SYSTEM_STORE for verdict in verdicts.values()):
        return system_store_command(ca_path)
    routed = verdicts.get(Way.ROUTED)
    if as_it_is is not None and proxied and routed is not None and routed.works:
        return f"iron-proxy run -- {client.programs[0]}"
    return ""
