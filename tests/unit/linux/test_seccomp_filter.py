"""The numbers against the kernel's own headers, and how every filter begins."""

import errno
import re
from pathlib import Path

import pytest
from tests.fakes.bpf_machine import run_filter, system_call

from iron_proxy.linux.seccomp_filter import ALLOW, begin_filter, end_filter, numbers_of, supported_machines

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


@pytest.mark.parametrize("machine", supported_machines())
def test_a_number_is_the_kernels(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip(f"no {HEADERS[machine]} (linux-libc-dev)")
    text = HEADERS[machine].read_text(encoding="utf-8")
    kernels = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}

    numbers = numbers_of(machine)

    # Headers may be older than a call that has one number everywhere.
    assert {name: kernels.get(name, number if number > 423 else -1) for name, number in numbers.items()} == numbers


def test_numbers_are_of_one_call_each() -> None:
    for machine in supported_machines():
        numbers = numbers_of(machine)
        assert len(set(numbers.values())) == len(numbers)


@pytest.mark.parametrize("machine", supported_machines())
def test_what_is_not_this_machines_is_absent(machine: str) -> None:
    program = begin_filter(machine)
    program.give(ALLOW)
    content = end_filter(program)

    own, other = ARCHITECTURES[machine], 0x40000003
    assert run_filter(content, system_call(39, architecture=own)) == ALLOW
    assert run_filter(content, system_call(39, architecture=other)) & 0xFFFF == errno.ENOSYS


def test_a_machine_that_is_not_known_is_not_guessed_at() -> None:
    with pytest.raises(KeyError):
        numbers_of("riscv64")
    with pytest.raises(KeyError):
        begin_filter("riscv64")
