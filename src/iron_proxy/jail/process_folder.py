"""
A `/proc` of the jail's own, in which only its own processes are to be seen. Called inside, last of all mounts.

The machine's would show the processes outside: their command lines to everybody, their environment, files and memory to
programs of the same user.
"""

import os

from iron_proxy.jail.mounts import Covers, make_read_only
from iron_proxy.linux.system_calls import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REC, mount

# Settings of the whole machine, which belong to its root by user id: a core_pattern with a pipe would be run outside.
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_MASKED = (
    "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/kpagecgroup", "/proc/kpagecount",
    "/proc/kpageflags", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
)  # fmt: skip


def mount_processes() -> None:
    """Raises OSError: EPERM where parts of the machine's own are covered, as in most containers."""
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def protect_settings(covers: Covers) -> None:
    """
    Needed where the program has the machine's user id 0, whom these files obey without any capability.

    Others are left out: no `/proc` can be mounted in a namespace below one with such covers, and tools that make
    sandboxes of their own want to.
    """
    for path in _READ_ONLY:
        if os.path.exists(path):
            mount(path, path, flags=MS_BIND | MS_REC)
            make_read_only(path)
    for path in _MASKED:
        covers.mask(path)
