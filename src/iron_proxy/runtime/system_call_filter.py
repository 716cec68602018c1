"""
`process.seccomp`: the system calls that the proxy never makes are closed to it, for whoever might take it over.

A list of what is closed and not of what is open: Python, its libraries and the operator's transforms are many programs,
and a call that one of them makes for the first time in a year must not end the service. What is closed is what turns a
hold on the process into one on the machine: other programs, other processes' memory, mounts, namespaces, modules, and
the parts of the kernel that exploits are made of. A closed call fails, and the process goes on.
"""

import os
import sys
from typing import Final

from iron_proxy.errors import StartupError
from iron_proxy.linux.classic_bpf import Program
from iron_proxy.linux.seccomp_filter import (
    ALLOW,
    ARGUMENTS,
    begin_filter,
    end_filter,
    judge_socket,
    numbers_of,
    supported_machines,
)

# Of clone(2): a thread, and no process.
_CLONE_THREAD: Final = 0x00010000

_CLOSED: Final = (
    # Other programs and processes. Of clone only what makes a process.
    "execve", "execveat", "fork", "vfork",
    # Other processes' memory and descriptors.
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    # Mounts, namespaces, devices, files by their number.
    "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick",
    "mount_setattr", "setns", "unshare", "mknod", "mknodat", "open_by_handle_at", "fanotify_init",
    # The machine: its kernel, clock, name, swap and accounts.
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "settimeofday",
    "clock_settime", "sethostname", "setdomainname", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "syslog",
    "iopl", "ioperm", "modify_ldt",
    # What exploits of the kernel are made of.
    "bpf", "perf_event_open", "userfaultfd",
)  # fmt: skip
# As on a kernel that does not have them, which callers know. clone3 has its flags in memory, where no filter sees them:
# the C library makes its threads with clone then. A ring makes any call without the filter.
_ABSENT: Final = (
    "clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl",
)  # fmt: skip


def close_system_calls() -> None:
    """
    Install the filter on this thread and all it will start; to be called while there is no other.

    Needs no_new_privs (`hardening.py`). Raises StartupError where there is no filter for this machine.
    """
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in supported_machines():
        raise StartupError(
            f"process.seccomp: there is a filter for Linux on {' and '.join(supported_machines())} only; "
            "set it to false"
        )
    from iron_proxy.linux.system_calls import install_seccomp

    try:
        install_seccomp(filter_for(machine))
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise StartupError(f"process.seccomp: the kernel takes no filter ({reason}); set it to false") from error


def filter_for(machine: str) -> bytes:
    """The filter for a machine. Raises KeyError for one that is not supported."""
    program, numbers = begin_filter(machine), numbers_of(machine)
    for name in _CLOSED:
        if name in numbers:
            program.if_equal(numbers[name], then="EPERM")
    for name in _ABSENT:
        program.if_equal(numbers[name], then="ENOSYS")
    program.if_equal(numbers["clone"], then="clone")
    program.if_equal(numbers["socket"], then="socket")
    program.if_equal(numbers["socketpair"], then="socket")
    program.give(ALLOW)
    _judge_clone(program)
    judge_socket(program)
    return end_filter(program)


def _judge_clone(program: Program) -> None:
    program.label("clone")
    program.load_word(ARGUMENTS[0])
    program.if_any_bit(_CLONE_THREAD, then="allow", otherwise="EPERM")
