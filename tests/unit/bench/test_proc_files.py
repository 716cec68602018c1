import os

import pytest
from bench.proc_files import (
    ProcessStat,
    cpu_seconds,
    forget_peak,
    parse_busy_ticks,
    parse_stat,
    parse_status_kib,
    peak_mib,
    resident_mib,
    tree_of,
)

STAT = "1234 ({command}) S 1200 1234 1234 0 -1 4194560 9 0 0 0 11 22 3 4 20 0 1 0 5 6 7 18446744073709551615"
NOT_LINUX = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs Linux's /proc")


@pytest.mark.parametrize(
    "command",
    ["nginx", "nginx: worker", "a) S 1 (b", ") 9 9 9"],
    ids=["plain", "with a space", "with parentheses", "that looks like fields"],
)
def test_times_and_parent_are_read_whatever_the_command_is_called(command: str) -> None:
    assert parse_stat(STAT.format(command=command)) == ProcessStat(parent=1200, own_ticks=33, reaped_ticks=7)


def test_memory_is_read_from_its_own_line() -> None:
    status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"

    assert parse_status_kib(status, "VmRSS") == 1024
    assert parse_status_kib(status, "VmHWM") == 2048


def test_an_ended_process_holds_no_memory() -> None:
    assert parse_status_kib("Name:\tx\nState:\tZ (zombie)\n", "VmRSS") == 0


def test_a_tree_holds_grandchildren_and_no_strangers() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20}

    assert tree_of(10, parents) == {10, 11, 12}


def test_a_process_without_children_is_its_own_tree() -> None:
    assert tree_of(21, {21: 20}) == {21}


def test_idle_and_waiting_time_is_not_busy() -> None:
    text = "cpu  100 1 50 800 40 2 3 4 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"

    assert parse_busy_ticks(text) == (160, 1000)


@NOT_LINUX
def test_the_files_of_this_very_process_can_be_read() -> None:
    own = os.getpid()

    assert cpu_seconds(own) > 0
    assert 1 < resident_mib(own) <= peak_mib(own) + 1


@NOT_LINUX
def test_a_peak_can_be_forgotten() -> None:
    mebibytes = 64
    block = bytearray(mebibytes << 20)
    block[::4096] = b"x" * len(block[::4096])
    del block
    before = peak_mib(os.getpid())

    forget_peak(os.getpid())

    # A kernel without CONFIG_PROC_PAGE_MONITOR, or a sandbox, keeps the peak: the figure then is the larger one.
    assert resident_mib(os.getpid()) - 1 <= peak_mib(os.getpid()) <= before
