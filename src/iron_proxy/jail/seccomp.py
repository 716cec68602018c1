"""
The system calls that a jailed program may not make, because they lead around its namespaces.

A namespace closes what it knows of. These are the calls that act elsewhere: sockets of families that have no network
namespace, requests that the kernel passes to a program outside, keystrokes for the terminal, signals to the process
group that the program shares with the proxy. Everything else is allowed, nested namespaces among it: they gain nothing.

Pure; `privileges.py` installs the program.
"""

import errno

from iron_proxy.linux.classic_bpf import Program
from iron_proxy.linux.seccomp_filter import ALLOW, ARGUMENTS, begin_filter, end_filter, judge_socket, numbers_of

# Terminal input that nobody typed: it would be read by the shell that is back when the program has ended.
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

# kill(0, …) goes to the whole process group: also to the proxy, which is in it so that Ctrl-C and Ctrl-Z work in
# pipelines. These are the signals of a job; the proxy catches them or stops and goes on with the job. Others would
# end it, SIGKILL and SIGSTOP without a chance.
_GROUP_SIGNALS = (0, 1, 2, 3, 10, 12, 15, 17, 18, 20, 21, 22, 23, 28)  # HUP INT QUIT USR1 USR2 TERM CHLD CONT TSTP …
_PIDFD_SIGNAL_PROCESS_GROUP = 4  # pidfd_send_signal's way to say the same

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


def filter_for(machine: str) -> bytes:
    """The filter for a machine. Raises KeyError for one that is not supported."""
    program, numbers = begin_filter(machine), numbers_of(machine)
    for name, error in _REFUSED.items():
        program.if_equal(numbers[name], then=errno.errorcode[error])
    for name in ("socket", "socketpair", "ioctl", "kill", "pidfd_send_signal"):
        program.if_equal(numbers[name], then="socket" if name == "socketpair" else name)
    program.give(ALLOW)
    judge_socket(program)
    _judge_others(program)
    return end_filter(program)


def _judge_others(program: Program) -> None:
    program.label("ioctl")
    program.load_word(ARGUMENTS[1])
    program.if_equal(_TIOCSTI, then="EPERM")
    program.if_equal(_TIOCLINUX, then="EPERM", otherwise="allow")
    program.label("kill")
    program.load_word(ARGUMENTS[0])
    program.if_equal(0, otherwise="allow")
    program.load_word(ARGUMENTS[1])
    for number in _GROUP_SIGNALS:
        program.if_equal(number, then="allow")
    program.go_to("EPERM")
    program.label("pidfd_send_signal")
    program.load_word(ARGUMENTS[3])
    program.if_any_bit(_PIDFD_SIGNAL_PROCESS_GROUP, then="EPERM", otherwise="allow")
