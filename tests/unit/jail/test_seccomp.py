import errno
import signal
import socket

import pytest
from tests.fakes.bpf_machine import run_filter, system_call

from iron_proxy.jail.seccomp import filter_for
from iron_proxy.linux.seccomp_filter import supported_machines

ALLOWED = 0x7FFF0000
X86_64, AARCH64, I386 = 0xC000003E, 0xC00000B7, 0x40000003
MACHINES = [("x86_64", X86_64), ("aarch64", AARCH64)]
SOCKET = {"x86_64": 41, "aarch64": 198}
IOCTL = {"x86_64": 16, "aarch64": 29}
KILL = {"x86_64": 62, "aarch64": 129}


def answer(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """The errno that a call gets, 0 where it is allowed."""
    architecture = architecture or dict(MACHINES)[machine]
    result = run_filter(filter_for(machine), system_call(number, *arguments, architecture=architecture))
    return 0 if result == ALLOWED else result & 0xFFFF


@pytest.mark.parametrize("machine", supported_machines())
@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET, socket.AF_INET6])
def test_sockets_of_namespaced_families_can_be_made(machine: str, family: int) -> None:
    assert answer(machine, SOCKET[machine], family, socket.SOCK_STREAM, 0) == 0


@pytest.mark.parametrize("machine", supported_machines())
@pytest.mark.parametrize(
    "family", [0, 3, 9, 15, 17, 21, 24, 26, 29, 30, 31, 38, 39, 40, 41, 42, 43, 44, 45, 46, 99, -1]
)
def test_sockets_of_every_other_family_cannot(machine: str, family: int) -> None:
    assert answer(machine, SOCKET[machine], family, socket.SOCK_STREAM, 0) == errno.EAFNOSUPPORT
    assert answer(machine, SOCKET[machine] + (12 if machine == "x86_64" else 1), family, 1) == errno.EAFNOSUPPORT


@pytest.mark.parametrize(("protocol", "error"), [(0, 0), (4, 0), (15, 0), (16, 0), (9, 93), (11, 93), (12, 93)])
def test_of_netlink_there_is_what_programs_ask_for(protocol: int, error: int) -> None:
    assert answer("x86_64", SOCKET["x86_64"], socket.AF_NETLINK, socket.SOCK_RAW, protocol) == error


def test_the_upper_half_of_an_argument_hides_nothing() -> None:
    assert answer("x86_64", SOCKET["x86_64"], 0xDEAD_0000_0028, 1, 0) == errno.EAFNOSUPPORT
    assert answer("x86_64", IOCTL["x86_64"], 0, 0xDEAD_0000_5412) == errno.EPERM


@pytest.mark.parametrize("machine", supported_machines())
@pytest.mark.parametrize(
    ("request_number", "error"), [(0x5412, errno.EPERM), (0x541C, errno.EPERM), (0x5413, 0), (0x5410, 0)]
)
def test_nobody_types_for_the_user(machine: str, request_number: int, error: int) -> None:
    assert answer(machine, IOCTL[machine], 0, request_number, 0) == error


@pytest.mark.parametrize("machine", supported_machines())
@pytest.mark.parametrize(
    ("pid", "number", "error"),
    [
        (0, signal.SIGKILL, errno.EPERM),
        (0, signal.SIGSTOP, errno.EPERM),
        (0, signal.SIGSEGV, errno.EPERM),
        (0, 64, errno.EPERM),
        (0, signal.SIGTERM, 0),
        (0, signal.SIGINT, 0),
        (0, signal.SIGTSTP, 0),
        (0, 0, 0),
        (-1, signal.SIGKILL, 0),
        (12, signal.SIGKILL, 0),
    ],
)
def test_what_would_end_the_proxy_is_not_sent_to_its_process_group(
    machine: str, pid: int, number: int, error: int
) -> None:
    assert answer(machine, KILL[machine], pid, number) == error


@pytest.mark.parametrize(("flags", "error"), [(0, 0), (1, 0), (2, 0), (4, errno.EPERM), (7, errno.EPERM)])
def test_nor_by_way_of_a_process_descriptor(flags: int, error: int) -> None:
    assert answer("x86_64", 424, 3, signal.SIGKILL, 0, flags) == error


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (425, errno.ENOSYS), (426, errno.ENOSYS), (427, errno.ENOSYS),
        (248, errno.ENOSYS), (249, errno.ENOSYS), (250, errno.ENOSYS),
        (304, errno.EPERM), (321, errno.EPERM), (323, errno.EPERM),
    ],
)  # fmt: skip
def test_calls_that_act_outside_are_closed(number: int, error: int) -> None:
    assert answer("x86_64", number) == error


@pytest.mark.parametrize("number", [0, 1, 2, 42, 56, 59, 165, 272, 308, 435])
def test_everything_else_is_open(number: int) -> None:
    """read, write, open, connect, clone, execve, mount, unshare, setns, clone3."""
    assert answer("x86_64", number, 0, 0, 0) == 0


@pytest.mark.parametrize("number", [1, 102, 359])
def test_programs_of_another_architecture_get_nothing(number: int) -> None:
    """socketcall (102) has its arguments in memory, where no filter sees them."""
    assert answer("x86_64", number, architecture=I386) == errno.ENOSYS


def test_the_second_set_of_numbers_is_no_way_around() -> None:
    assert answer("x86_64", 0x40000000 + 41, 40, 1, 0) == errno.ENOSYS


def test_a_machine_without_a_filter_is_not_guessed_at() -> None:
    with pytest.raises(KeyError):
        filter_for("riscv64")
