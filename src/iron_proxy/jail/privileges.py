"""
Giving up every privilege for good, before a jailed program starts. Called inside.

Root of the jail's namespaces could undo what hides the machine. After this nobody inside is root of them, whatever user
id it has: no capability is left, none can come back by exec, and the calls of `seccomp.py` are closed.
"""

import os

from iron_proxy.jail.seccomp import filter_for
from iron_proxy.jail.system_calls import (
    PR_CAP_AMBIENT,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_SECUREBITS,
    clear_capabilities,
    install_seccomp,
    prctl,
)

_AMBIENT_CLEAR_ALL = 4
# User id 0 is like any other, ids change nothing about capabilities, none can be made ambient; all locked
# (SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP, SECBIT_NO_CAP_AMBIENT_RAISE and their locks, SECBIT_KEEP_CAPS_LOCKED).
_NO_ROOT_LOCKED = 0xEF
# The kernel has 41 capabilities, and room for 64.
_CAPABILITIES = range(64)


def drop_privileges() -> None:
    """Empty all five sets of capabilities, forbid new ones, install the filter. Raises OSError."""
    prctl(PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    for number in _CAPABILITIES:
        if not _exists(number):
            break
        prctl(PR_CAPBSET_DROP, number)
    prctl(PR_SET_SECUREBITS, _NO_ROOT_LOCKED)
    clear_capabilities()
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    install_seccomp(filter_for(os.uname().machine))
    # For this process, until it executes something: nobody inside may look into it.
    prctl(PR_SET_DUMPABLE, 0)


def _exists(capability: int) -> bool:
    try:
        prctl(PR_CAPBSET_READ, capability)
    except OSError:
        return False
    return True
