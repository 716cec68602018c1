"""Which calls the proxy's filter closes: asked of the filter itself, as a machine for classic BPF reads it."""

import errno

import pytest
from tests.fakes.bpf_machine import run_filter, system_call

from iron_proxy.errors import StartupError
from iron_proxy.linux.seccomp_filter import numbers_of, supported_machines
from iron_proxy.runtime import system_call_filter
from iron_proxy.runtime.system_call_filter import close_system_calls, filter_for

ALLOWED = 0x7FFF0000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003
CLONE_THREAD, CLONE_NEWUSER = 0x10000, 0x10000000
EVERYWHERE = pytest.mark.parametrize("machine", supported_machines())


def answer(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """The errno that a call gets, 0 where it is allowed."""
    call = system_call(number, *arguments, architecture=architecture or ARCHITECTURES[machine])
    result = run_filter(filter_for(machine), call)
    return 0 if result == ALLOWED else result & 0xFFFF


@EVERYWHERE
@pytest.mark.parametrize("name", system_call_filter._CLOSED)
def test_what_the_proxy_never_does_is_not_permitted(machine: str, name: str) -> None:
    numbers = numbers_of(machine)
    if name in ("fork", "vfork", "mknod", "iopl", "ioperm", "modify_ldt") and machine == "aarch64":
        assert name not in numbers
    else:
        assert answer(machine, numbers[name]) == errno.EPERM


@EVERYWHERE
@pytest.mark.parametrize("name", system_call_filter._ABSENT)
def test_what_callers_do_without_is_not_there(machine: str, name: str) -> None:
    assert answer(machine, numbers_of(machine)[name]) == errno.ENOSYS


@EVERYWHERE
def test_threads_can_be_made_and_processes_cannot(machine: str) -> None:
    clone = numbers_of(machine)["clone"]

    assert answer(machine, clone, 0x3D0F00 | CLONE_THREAD) == 0
    assert answer(machine, clone, 17) == errno.EPERM
    assert answer(machine, clone, CLONE_NEWUSER | 17) == errno.EPERM


@EVERYWHERE
@pytest.mark.parametrize(
    ("family", "error"), [(1, 0), (2, 0), (10, 0), (16, 0), (17, errno.EAFNOSUPPORT), (40, errno.EAFNOSUPPORT)]
)
def test_sockets_are_of_the_internet_or_local(machine: str, family: int, error: int) -> None:
    assert answer(machine, numbers_of(machine)["socket"], family, 1, 0) == error


@pytest.mark.parametrize("number", [0, 1, 9, 42, 43, 49, 50, 157, 202, 232, 257, 281, 288, 318, 319])
def test_what_it_does_all_day_is_open(number: int) -> None:
    """read write mmap connect accept bind listen prctl futex epoll_wait openat epoll_pwait accept4 getrandom memfd."""
    assert answer("x86_64", number, 0, 0, 0) == 0


def test_other_numbers_are_no_way_around() -> None:
    assert answer("x86_64", 11, architecture=I386) == errno.ENOSYS      # execve of 32-bit programs
    assert answer("x86_64", 0x40000000 + 520) == errno.ENOSYS           # and of x32


def test_a_machine_without_a_filter_is_told_and_not_served_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_call_filter, "supported_machines", lambda: ("pdp11",))

    with pytest.raises(StartupError, match=r"process\.seccomp: there is a filter for Linux on pdp11 only"):
        close_system_calls()
