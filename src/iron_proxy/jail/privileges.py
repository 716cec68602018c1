"""
Giving up every privilege for good, before a jailed program starts. Called inside.

Root of the jail's namespaces could undo what hides the machine. After this nobody inside is root of them, whatever user
id it has: no capability is left, none can come back by exec, and the calls of `seccomp.py` are closed.
"""

import os

from iron_proxy.jail.seccomp import filter_for
from iron_proxy.linux.capabilities import forbid_new_capabilities
from iron_proxy.linux.system_calls import (
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    clear_capabilities,
    install_seccomp,
    prctl,
)


def drop_privileges() -> None:
    """Empty all five sets of capabilities, forbid new ones, install the filter. Raises OSError."""
    forbid_new_capabilities()
    clear_capabilities()
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    install_seccomp(filter_for(os.uname().machine))
    # For this process, until it executes something: nobody inside may look into it.
    prctl(PR_SET_DUMPABLE, 0)
