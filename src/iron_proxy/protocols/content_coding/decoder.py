"""
Decode a body that is coded, one coding or several, within limits: what secrets are looked for in is what is decoded.

Bytes in, bytes out, at most 64 KiB at a time and nothing kept but the libraries' windows. So a bomb costs no memory
here, whatever it swells to; what it costs is time, ours and that of who gets what it swells to, and for that there are
the limits below. Called by whoever must look into a body: swapping in requests, scrubbing in answers.
"""

from collections.abc import Sequence

from iron_proxy.protocols.content_coding.codings import DEFLATE, BadCoding, CodingBomb
from iron_proxy.protocols.content_coding.decompressors import Decompressor, is_zlib_header

# DEFLATE cannot swell more than 1,032 times, so no gzip body is refused for it; br and zstd do 600,000 and 30,000 times
# with zeros. Text and images stay below 100. 1 MB that swells to this takes some seconds of one core to go through.
MAX_RATIO = 1100
# A disk image or a table may begin with so many zeros. Nothing smaller is a bomb: it takes a tenth of a second.
FREE_SIZE = 16 * 1024 * 1024

# What one coding leaves for the next one to decode is compressed itself, and hardly compresses again. It is the way to
# a thousand times a thousand, and a stretch of it that decodes to nothing is gone through in one go.
MAX_INNER_RATIO = 20
FREE_INNER_SIZE = 1024 * 1024


class Decoder:
    """
    Takes all codings off one body: `feed` a piece, `read` until it gives b"", and so on; `end` behind the last.

    When one of them has raised, no other is to be called. What was read before is of a body that was not whole.
    """

    __slots__ = ("_codings", "_decompressors", "_fed", "_made", "_max_size", "_start")

    def __init__(self, codings: Sequence[str], max_size: int | None = None) -> None:
        self._codings = tuple(codings)
        self._decompressors = [Decompressor(coding) for coding in reversed(codings)]
        self._made = [0] * len(codings)           # by each of them
        self._fed = 0
        self._max_size = max_size
        self._start = b""                         # of what a sole deflate was given

    def feed(self, piece: bytes) -> None:
        """The next piece of the body, as it is on the wire. Read all of the last one first."""
        self._fed += len(piece)
        if len(self._start) < 2:
            self._start += piece[:2]
        self._decompressors[0].feed(piece)

    def read(self) -> bytes:
        """At most 64 KiB of the decoded body; b"" when it takes more to go on. Raises BadCoding, CodingBomb."""
        return self._read_from(len(self._decompressors) - 1)

    def end(self) -> None:
        """The body has ended, and all has been read. Raises BadCoding if it was cut short; no bytes are a body too."""
        if not all(decompressor.is_complete for decompressor in self._decompressors):
            raise BadCoding("the coded body is cut short")

    @property
    def is_bare_deflate(self) -> bool:
        """Whether this was deflate without zlib's wrapping, told by its first two bytes: some readers know no other."""
        return self._codings == (DEFLATE,) and len(self._start) >= 2 and not is_zlib_header(self._start)

    def _read_from(self, index: int) -> bytes:
        decompressor = self._decompressors[index]
        while True:
            decoded = decompressor.read()
            if decoded:
                self._count(index, len(decoded))
                return decoded
            coded = self._read_from(index - 1) if index else b""
            if not coded:
                return b""
            decompressor.feed(coded)

    def _count(self, index: int, size: int) -> None:
        self._made[index] += size
        made = self._made[index]
        is_last = index == len(self._made) - 1
        free, ratio = (FREE_SIZE, MAX_RATIO) if is_last else (FREE_INNER_SIZE, MAX_INNER_RATIO)
        if made > free and made > self._fed * ratio:
            raise CodingBomb("the coded body swells more than an honest one")
        if is_last and self._max_size is not None and made > self._max_size:
            raise CodingBomb("the body is too large when it is decoded")


def make_decoder(codings: Sequence[str], max_size: int | None = None) -> Decoder:
    """
    A decoder for what `parse_codings` has found, which must be something.

    `max_size`: how many decoded bytes the caller takes; None for as many as come, where it passes them on.
    """
    if not codings:
        raise ValueError("a body without a coding needs no decoder")
    return Decoder(codings, max_size)
