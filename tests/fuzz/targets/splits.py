"""How a target cuts its input. The cuts come of the bytes alone, so that a corpus file is a plain wire."""

import zlib
from collections.abc import Iterator

from tests.wire.pieces import cut_at, in_pieces

# Beyond this the smallest pieces are larger: they are there to find what depends on borders, not to fill a minute.
_SMALL = 512


def splits(wire: bytes) -> Iterator[list[bytes]]:
    """In very small pieces, and cut at two places that differ from input to input."""
    yield list(in_pieces(wire, 1 if len(wire) <= _SMALL else len(wire) // _SMALL + 1))
    seed = zlib.crc32(wire)
    yield list(cut_at(wire, [seed % (len(wire) + 1), (seed >> 16) % (len(wire) + 1)]))
