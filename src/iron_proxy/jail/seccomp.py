"""
The system calls that a jailed program may not make, because they lead around its namespaces.

A namespace closes what it knows of. These are the calls that act elsewhere: sockets of families that have no network
namespace, requests that the kernel passes to a program outside, keystrokes for the terminal, signals to the process
group that the program shares with the proxy. Everything else is allowed, nested namespaces among it: they gain nothing.

Pure; `privileges.py` installs the program.
"""

import errno

from iron_proxy.jail.classic_bpf import Program

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

# Fields of `struct seccomp_data`; of each argument only the lower half, which is all that these calls look at.
_NUMBER, _ARCHITECTURE = 0, 4
_ARGUMENTS = [16, 24, 32, 40, 48, 56]

# x86-64 has a second set of numbers, x32, with this bit. No distribution's kernel serves it.
_X32 = 0x40000000

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
# Every other family is absent inside. AF_VSOCK reaches the hypervisor from any network namespace; AF_ALG, AF_BLUETOOTH,
# AF_TIPC, AF_RDS, AF_CAN and the like have no use in a job, and a history of holes.
_FAMILIES = (AF_UNIX, AF_INET, AF_INET6)
# Addresses and routes (getaddrinfo reads them), socket statistics (`ss`), device events (libudev), generic.
_NETLINK_PROTOCOLS = (0, 4, 15, 16)

# Terminal input that nobody typed: it would be read by the shell that is back when the program has ended.
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

# kill(0, …) goes to the whole process group: also to the proxy, which is in it so that Ctrl-C and Ctrl-Z work in
# pipelines. These are the signals of a job; the proxy catches them or stops and goes on with the job. Others would
# end it, SIGKILL and SIGSTOP without a chance.
_GROUP_SIGNALS = (0, 1, 2, 3, 10, 12, 15, 17, 18, 20, 21, 22, 23, 28)  # HUP INT QUIT USR1 USR2 TERM CHLD CONT TSTP …
_PIDFD_SIGNAL_PROCESS_GROUP = 4  # pidfd_send_signal's way to say the same

# machine → (AUDIT_ARCH_*, numbers by name), from <asm/unistd_64.h> and <asm-generic/unistd.h>
_MACHINES = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41, "socketpair": 53, "ioctl": 16, "kill": 62, "add_key": 248, "request_key": 249, "keyctl": 250,
            "open_by_handle_at": 304, "bpf": 321, "userfaultfd": 323,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198, "socketpair": 199, "ioctl": 29, "kill": 129, "add_key": 217, "request_key": 218,
            "keyctl": 219, "open_by_handle_at": 265, "bpf": 280, "userfaultfd": 282,
        },
    ),
}  # fmt: skip
# Numbers from 424 on are the same everywhere.
_EVERYWHERE = {"pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427}

# name → the error it gives. ENOSYS where programs know a kernel without the call and do without.
_REFUSED = {
    # A ring makes sockets of any family, and no filter sees that.
    "io_uring_setup": errno.ENOSYS,
    "io_uring_enter": errno.ENOSYS,
    "io_uring_register": errno.ENOSYS,
    # request_key("dns_resolver", NAME) has the kernel start a resolver outside; a session's keyring holds its tickets.
    "add_key": errno.ENOSYS,
    "request_key": errno.ENOSYS,
    "keyctl": errno.ENOSYS,
    # A file by its number, around the folders that are covered.
    "open_by_handle_at": errno.EPERM,
    # Of no use to a job; tools of attacks on the kernel.
    "bpf": errno.EPERM,
    "userfaultfd": errno.EPERM,
}


def supported_machines() -> tuple[str, ...]:
    """The machines, as `os.uname().machine` names them, that there is a filter for."""
    return tuple(_MACHINES)


def filter_for(machine: str) -> bytes:
    """The filter for a machine. Raises KeyError for one that is not supported."""
    architecture, numbers = _MACHINES[machine]
    numbers = {**numbers, **_EVERYWHERE}
    program = Program()
    # Programs of another architecture (32 bit) call the same kernel by other numbers: they get nothing.
    program.load_word(_ARCHITECTURE)
    program.if_equal(architecture, otherwise="ENOSYS")
    program.load_word(_NUMBER)
    if machine == "x86_64":
        program.if_at_least(_X32, then="ENOSYS")
    for name, error in _REFUSED.items():
        program.if_equal(numbers[name], then=errno.errorcode[error])
    for name in ("socket", "socketpair", "ioctl", "kill", "pidfd_send_signal"):
        program.if_equal(numbers[name], then="socket" if name == "socketpair" else name)
    program.give(_ALLOW)
    _judge_socket(program)
    _judge_others(program)
    _ends(program)
    return program.assemble()


def _judge_socket(program: Program) -> None:
    program.label("socket")
    program.load_word(_ARGUMENTS[0])
    for family in _FAMILIES:
        program.if_equal(family, then="allow")
    program.if_equal(AF_NETLINK, otherwise="EAFNOSUPPORT")
    program.load_word(_ARGUMENTS[2])
    for protocol in _NETLINK_PROTOCOLS:
        program.if_equal(protocol, then="allow")
    program.go_to("EPROTONOSUPPORT")


def _judge_others(program: Program) -> None:
    program.label("ioctl")
    program.load_word(_ARGUMENTS[1])
    program.if_equal(_TIOCSTI, then="EPERM")
    program.if_equal(_TIOCLINUX, then="EPERM", otherwise="allow")
    program.label("kill")
    program.load_word(_ARGUMENTS[0])
    program.if_equal(0, otherwise="allow")
    program.load_word(_ARGUMENTS[1])
    for number in _GROUP_SIGNALS:
        program.if_equal(number, then="allow")
    program.go_to("EPERM")
    program.label("pidfd_send_signal")
    program.load_word(_ARGUMENTS[3])
    program.if_any_bit(_PIDFD_SIGNAL_PROCESS_GROUP, then="EPERM", otherwise="allow")


def _ends(program: Program) -> None:
    for name in ("ENOSYS", "EPERM", "EAFNOSUPPORT", "EPROTONOSUPPORT"):
        program.label(name)
        program.give(_ERRNO | getattr(errno, name))
    program.label("allow")
    program.give(_ALLOW)
