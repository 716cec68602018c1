"""
An assembler for classic BPF, the language of seccomp filters and of filters on sockets (<linux/filter.h>).

Programs are written with labels and become instructions of 8 bytes. Pure; `seccomp_filter.py` begins those of system
calls, and the programs are in `jail/` and `runtime/`.
"""

import struct

_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30  # A ← the packet at a fixed place
_LOAD_INDEXED_WORD, _LOAD_INDEXED_BYTE = 0x40, 0x50  # A ← the packet at X plus a number
_LOAD_HEADER_LENGTH = 0xB1  # X ← 4 * (the byte there & 15): the length of an IPv4 header
_AND = 0x54  # A ← A & number
_JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT = 0x15, 0x35, 0x45
_JUMP = 0x05
_RETURN = 0x06

# Jumps of conditions are a byte long.
_LONGEST_JUMP = 255


class Program:
    """Instructions in order. A condition without a label for one of its outcomes goes on with the next instruction."""

    def __init__(self) -> None:
        self._instructions: list[tuple[int, str, str, int]] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        """The next instruction's name."""
        self._labels[name] = len(self._instructions)

    def load_word(self, offset: int) -> None:
        """A ← 4 bytes. Of a packet in network order; of seccomp's data as the machine has them."""
        self._add(_LOAD_WORD, offset)

    def load_half(self, offset: int) -> None:
        """A ← 2 bytes."""
        self._add(_LOAD_HALF, offset)

    def load_byte(self, offset: int) -> None:
        """A ← 1 byte."""
        self._add(_LOAD_BYTE, offset)

    def load_ipv4_header_length(self) -> None:
        """X ← the length of the IPv4 header that the packet begins with."""
        self._add(_LOAD_HEADER_LENGTH, 0)

    def load_word_behind(self, offset: int) -> None:
        """A ← 4 bytes at X plus an offset."""
        self._add(_LOAD_INDEXED_WORD, offset)

    def load_byte_behind(self, offset: int) -> None:
        """A ← 1 byte at X plus an offset."""
        self._add(_LOAD_INDEXED_BYTE, offset)

    def keep_bits(self, mask: int) -> None:
        """A ← A & mask."""
        self._add(_AND, mask)

    def if_equal(self, number: int, then: str = "", otherwise: str = "") -> None:
        """Compare A."""
        self._add(_JUMP_EQUAL, number, then, otherwise)

    def if_at_least(self, number: int, then: str = "", otherwise: str = "") -> None:
        """Compare A, without sign."""
        self._add(_JUMP_AT_LEAST, number, then, otherwise)

    def if_any_bit(self, mask: int, then: str = "", otherwise: str = "") -> None:
        """Whether A has any of these bits."""
        self._add(_JUMP_ANY_BIT, mask, then, otherwise)

    def go_to(self, label: str) -> None:
        """Go on there."""
        self._add(_JUMP, 0, label)

    def give(self, number: int) -> None:
        """End with this value."""
        self._add(_RETURN, number)

    def assemble(self) -> bytes:
        """The instructions. Raises ValueError for a jump that is too long or leads backwards, KeyError for no label."""
        return b"".join(self._assembled(place) for place in range(len(self._instructions)))

    def _add(self, code: int, number: int, then: str = "", otherwise: str = "") -> None:
        self._instructions.append((code, then, otherwise, number))

    def _assembled(self, place: int) -> bytes:
        code, then, otherwise, number = self._instructions[place]
        if code == _JUMP:
            return struct.pack("=HBBI", code, 0, 0, self._distance(place, then))
        return struct.pack("=HBBI", code, self._short(place, then), self._short(place, otherwise), number)

    def _short(self, place: int, label: str) -> int:
        distance = self._distance(place, label)
        if distance > _LONGEST_JUMP:
            raise ValueError(f"{label} is too far away")
        return distance

    def _distance(self, place: int, label: str) -> int:
        distance = self._labels[label] - place - 1 if label else 0
        if distance < 0:
            raise ValueError(f"{label} is behind")
        return distance
