"""
What the proxy's process denies to others of its user, and to itself, from its first moment on.

Called first thing by the commands that hold secrets: `harden_process` by `cli/serve.py` and `cli/run.py`,
`harden_server` by the first alone, for the program of the second is not to inherit that. What can only be given up once
everything is bound and open is `privileges.py`.
"""

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
# What the proxy writes (audit files) is its own: nobody but its user reads it.
_UMASK = 0o077


def harden_process() -> tuple[int, int]:
    """
    Forbid core files, and on Linux looking into the process (ptrace, /proc/PID/mem, environ, fd) without root's rights.

    Returns the former limit of core files, soft and hard, for programs that are to have it back. Children are looked
    into as before: what they execute decides anew. Never fails: where the kernel has no such thing, the rest is done.
    """
    former = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, former[1]))
    deny_looking_in()
    return former


def deny_looking_in() -> None:
    """The second part of it, which has to be said again when the process has become another user's."""
    _prctl(_PR_SET_DUMPABLE, 0)


def harden_server() -> None:
    """
    Make files for this user alone, and execute nothing with more rights than this process has: no set-user-ID program.

    Threads and children that come later inherit both. Never fails.
    """
    os.umask(_UMASK)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
