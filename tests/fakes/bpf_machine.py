"""A machine for classic BPF, as far as our programs use it: what a filter answers without asking the kernel."""

import struct
from collections.abc import Callable


class OutOfBounds(Exception):
    """A load from beyond the packet; the kernel ends the program with 0 then."""


def run_filter(program: bytes, load: Callable[[int, int], int]) -> int:
    """The number that a program gives. `load(offset, bytes)` is the packet, or what stands for it."""
    instructions: list[tuple[int, int, int, int]] = list(struct.iter_unpack("=HBBI", program))
    a = x = at = 0
    while True:
        code, then, otherwise, k = instructions[at]
        at += 1
        match code:
            case 0x20 | 0x28 | 0x30:
                a = load(k, {0x20: 4, 0x28: 2, 0x30: 1}[code])
            case 0x40 | 0x50:
                a = load(x + k, {0x40: 4, 0x50: 1}[code])
            case 0xB1:
                x = 4 * (load(k, 1) & 15)
            case 0x54:
                a &= k
            case 0x05:
                at += k
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: a == k, 0x35: a >= k, 0x45: a & k != 0}[code]
                at += then if holds else otherwise
            case 0x06:
                return k
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


def system_call(number: int, *arguments: int, architecture: int) -> Callable[[int, int], int]:
    """`struct seccomp_data` of a call, on a little-endian machine."""
    numbers = [argument & 0xFFFFFFFFFFFFFFFF for argument in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    content = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *numbers)
    return lambda offset, count: int.from_bytes(content[offset : offset + count], "little")


def packet(content: bytes, *, protocol: int, outgoing: bool = False) -> Callable[[int, int], int]:
    """An IP packet as a socket filter sees it."""

    def load(offset: int, count: int) -> int:
        known = {0xFFFFF000: protocol, 0xFFFFF004: 4 if outgoing else 0}
        if offset in known:
            return known[offset]
        if offset + count > len(content):
            raise OutOfBounds
        return int.from_bytes(content[offset : offset + count], "big")

    return load
