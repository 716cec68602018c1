"""Ways in which TCP may cut a byte string."""

from collections.abc import Iterator


def in_pieces(wire: bytes, size: int) -> Iterator[bytes]:
    """`wire` in pieces of `size` bytes; the last may be shorter."""
    for start in range(0, len(wire), size):
        yield wire[start : start + size]


def cut_at(wire: bytes, positions: list[int]) -> Iterator[bytes]:
    """`wire` cut at each position, given in any order; pieces may be empty."""
    start = 0
    for position in sorted(positions):
        yield wire[start:position]
        start = max(start, position)
    yield wire[start:]
