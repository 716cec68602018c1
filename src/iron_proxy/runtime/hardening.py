"""
What the proxy's process denies to others of its user: its memory, its environment, a core file.

Called first thing by the commands that hold secrets (`cli/serve.py`, `cli/run.py`).
"""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def harden_process() -> tuple[int, int]:
    """
    Forbid core files, and on Linux looking into the process (ptrace, /proc/PID/mem, environ, fd) without root's rights.

    Returns the former limit of core files, soft and hard, for programs that are to have it back. Children are looked
    into as before: what they execute decides anew. Never fails: where the kernel has no such thing, the rest is done.
    """
    former = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, former[1]))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return former
