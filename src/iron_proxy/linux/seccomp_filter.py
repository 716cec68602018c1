"""
What filters of system calls have in common (seccomp(2)): the numbers of calls, how one begins, and its verdicts.

Pure. The filters are `jail/seccomp.py`, of a jailed program, and `runtime/system_call_filter.py`, of the proxy itself.
"""

import errno
from collections.abc import Mapping
from typing import Final

from iron_proxy.linux.classic_bpf import Program

ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000

# Fields of `struct seccomp_data`; of each argument only the lower half, which is all that these calls look at.
_NUMBER, _ARCHITECTURE = 0, 4
ARGUMENTS: Final = (16, 24, 32, 40, 48, 56)

# x86-64 has a second set of numbers, x32, with this bit. No distribution's kernel serves it.
_X32 = 0x40000000

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
# Every other family is absent. AF_VSOCK reaches the hypervisor from any network namespace; AF_ALG, AF_BLUETOOTH,
# AF_TIPC, AF_RDS, AF_CAN and the like have no use in a job, and a history of holes.
_FAMILIES = (AF_UNIX, AF_INET, AF_INET6)
# Addresses and routes (getaddrinfo reads them), socket statistics (`ss`), device events (libudev), generic.
_NETLINK_PROTOCOLS = (0, 4, 15, 16)

# machine → (AUDIT_ARCH_*, numbers by name), from <asm/unistd_64.h> and <asm-generic/unistd.h>. A call that a machine
# does not have is not among its numbers.
_MACHINES: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "ioctl": 16, "socket": 41, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
            "ptrace": 101, "syslog": 103, "mknod": 133, "modify_ldt": 154, "pivot_root": 155, "chroot": 161,
            "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168,
            "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
            "delete_module": 176, "quotactl": 179, "clock_settime": 227, "kexec_load": 246, "add_key": 248,
            "request_key": 249, "keyctl": 250, "mknodat": 259, "unshare": 272, "perf_event_open": 298,
            "fanotify_init": 300, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
            "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320, "bpf": 321,
            "execveat": 322, "userfaultfd": 323,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "ioctl": 29, "mknodat": 33, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "quotactl": 60,
            "acct": 89, "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106,
            "clock_settime": 112, "syslog": 116, "ptrace": 117, "kill": 129, "reboot": 142, "sethostname": 161,
            "setdomainname": 162, "settimeofday": 170, "socket": 198, "socketpair": 199, "add_key": 217,
            "request_key": 218, "keyctl": 219, "clone": 220, "execve": 221, "swapon": 224, "swapoff": 225,
            "perf_event_open": 241, "fanotify_init": 262, "open_by_handle_at": 265, "setns": 268,
            "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "bpf": 280,
            "execveat": 281, "userfaultfd": 282, "kexec_file_load": 294,
        },
    ),
}  # fmt: skip
# Numbers from 424 on are the same everywhere.
_EVERYWHERE: Mapping[str, int] = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "clone3": 435, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
}  # fmt: skip
# The verdicts of `end_filter`, by the name of their label.
_ERRORS = ("ENOSYS", "EPERM", "EAFNOSUPPORT", "EPROTONOSUPPORT")


def supported_machines() -> tuple[str, ...]:
    """The machines, as `os.uname().machine` names them, that there are numbers for."""
    return tuple(_MACHINES)


def numbers_of(machine: str) -> dict[str, int]:
    """The calls' numbers by name. Raises KeyError for a machine that is not supported."""
    return {**_MACHINES[machine][1], **_EVERYWHERE}


def begin_filter(machine: str) -> Program:
    """A filter that has turned away what is not this machine's, and has the call's number at hand. Raises KeyError."""
    program = Program()
    # Programs of another architecture (32 bit) call the same kernel by other numbers: they get nothing.
    program.load_word(_ARCHITECTURE)
    program.if_equal(_MACHINES[machine][0], otherwise="ENOSYS")
    program.load_word(_NUMBER)
    if machine == "x86_64":
        program.if_at_least(_X32, then="ENOSYS")
    return program


def judge_socket(program: Program) -> None:
    """The label "socket", for socket(2) and socketpair(2): the families of networks alone."""
    program.label("socket")
    program.load_word(ARGUMENTS[0])
    for family in _FAMILIES:
        program.if_equal(family, then="allow")
    program.if_equal(AF_NETLINK, otherwise="EAFNOSUPPORT")
    program.load_word(ARGUMENTS[2])
    for protocol in _NETLINK_PROTOCOLS:
        program.if_equal(protocol, then="allow")
    program.go_to("EPROTONOSUPPORT")


def end_filter(program: Program) -> bytes:
    """The labels of all verdicts, and the whole as the kernel takes it."""
    for name in _ERRORS:
        program.label(name)
        program.give(_ERRNO | getattr(errno, name))
    program.label("allow")
    program.give(ALLOW)
    return program.assemble()
