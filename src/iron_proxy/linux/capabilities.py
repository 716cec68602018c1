"""
Giving up the capabilities of root for good (capabilities(7)). Called where nothing that comes later needs them.

All of it is about the calling thread and those it starts: to be done while there is no other.
"""

from iron_proxy.linux.system_calls import (
    PR_CAP_AMBIENT,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_SET_SECUREBITS,
    prctl,
)

_AMBIENT_CLEAR_ALL = 4
# User id 0 is like any other, ids change nothing about capabilities, none can be made ambient; all locked
# (SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP, SECBIT_NO_CAP_AMBIENT_RAISE and their locks, SECBIT_KEEP_CAPS_LOCKED).
_NO_ROOT_LOCKED = 0xEF
# The kernel has 41 capabilities, and room for 64.
_CAPABILITIES = range(64)


def forbid_new_capabilities() -> None:
    """
    Empty the ambient and the bounding set, and lock what makes root special: none can come back.

    Those that the thread has stay until `clear_capabilities`. Raises PermissionError without CAP_SETPCAP; the ambient
    set is empty all the same.
    """
    prctl(PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    for number in _CAPABILITIES:
        if not _exists(number):
            break
        prctl(PR_CAPBSET_DROP, number)
    prctl(PR_SET_SECUREBITS, _NO_ROOT_LOCKED)


def _exists(capability: int) -> bool:
    try:
        prctl(PR_CAPBSET_READ, capability)
    except OSError:
        return False
    return True
