"""
What all bodies that are being decoded may hold together: the windows of br and zstd, which a sender fills for nothing.

Fourteen bytes of br are a window of 16 MiB, held until the body ends, and a sender decides when that is. So what is
beyond a small share for each body is counted over all of them. `decompressors.py` counts as it decodes; gzip and
deflate hold 32 KiB and are not counted.
"""

from typing import ClassVar

from iron_proxy.protocols.content_coding.codings import CodingBomb

# Bodies of API calls decode to less, so that they are never refused for what others hold. It is bounded by the number
# of streams.
FREE_BYTES = 256 * 1024

# Sixteen br bodies with full windows, or thirty of zstd, at once.
MAX_BYTES = 256 * 1024 * 1024


class WindowShare:
    """What one compressed stream holds; it is given back by `release`, or with the object. Not for several threads."""

    __slots__ = ("_held", "_made", "_window")

    in_use: ClassVar[int] = 0                     # by all of them, in bytes

    def __init__(self, window: int) -> None:
        self._window = window                     # the most that it can hold
        self._made = self._held = 0

    def grow(self, size: int) -> None:
        """So many more bytes were decoded. Raises CodingBomb when the windows of all bodies are too large together."""
        self._made += size
        more = min(self._made, self._window) - FREE_BYTES - self._held
        if more <= 0:
            return
        if WindowShare.in_use + more > MAX_BYTES:
            raise CodingBomb("there is no room left to decode a body of this size")
        WindowShare.in_use += more
        self._held += more

    def release(self) -> None:
        """The window is gone."""
        WindowShare.in_use -= self._held
        self._held = self._made = 0

    __del__ = release
