"""
A file that is still being written, read on and on: across its rotation, its truncation and a moment without it.

Nothing waits here: `lines` gives what has come since, and whoever asks decides when to ask again. Called by
`cli/logs.py`.
"""

import os
from contextlib import suppress
from io import BufferedReader

from iron_proxy.audit_reading.lines import LineSplitter
from iron_proxy.audit_reading.sources import CHUNK_BYTES, in_order

# At once, so that of several files each has its turn.
_MAX_CHUNKS = 64

_Identity = tuple[int, int]                # device and inode


class FollowedFile:
    """One file by its name. `close` it at the end. Raises OSError if it cannot be opened now."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115  # closed by `close`, or when the next one takes its place
        self._splitter = LineSplitter()

    @property
    def too_long(self) -> int:
        """How many lines were longer than any record."""
        return self._splitter.too_long

    def lines(self) -> list[bytes]:
        """The whole lines that have come since, at most some megabytes of them; empty when there are none now."""
        lines: list[bytes] = []
        for _ in range(_MAX_CHUNKS):
            data = self._file.read1(CHUNK_BYTES)
            if data:
                lines += self._splitter.feed(data)
            elif not self._go_on(lines):
                break
        return lines

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _go_on(self, lines: list[bytes]) -> bool:
        """At the end of the file: whether there is more to read now, in it or in the one that took its place."""
        status = os.fstat(self._file.fileno())
        if status.st_size < self._file.tell():                 # copied and emptied
            self._file.seek(0)
            return True
        if _identity(self.path) in (None, (status.st_dev, status.st_ino)):
            return False
        rest = self._file.read1(CHUNK_BYTES)                   # written between our last read and the renaming
        if rest:
            lines += self._splitter.feed(rest)
            return True
        following = self._opened_after((status.st_dev, status.st_ino))
        if following is None:
            return False
        lines += [line for line in self._splitter.end() if line]
        self._file.close()
        self._file = following
        return True

    def _opened_after(self, identity: _Identity) -> BufferedReader | None:
        """The file that was begun after another: a rotation may have happened twice since we looked."""
        parts = [*self._rotated(), self.path]
        places = [index for index, part in enumerate(parts) if _identity(part) == identity]
        newer = parts[places[-1] + 1] if places and places[-1] + 1 < len(parts) else self.path
        with suppress(FileNotFoundError):                      # renamed this moment: at the next look
            return open(newer, "rb")
        return None

    def _rotated(self) -> list[str]:
        """The uncompressed parts that this file was before, the oldest first."""
        folder, name = os.path.split(self.path)
        with suppress(OSError):
            parts = [each for each in os.listdir(folder or ".") if each.startswith(f"{name}.")]
            numbered = [each for each in parts if each.removeprefix(f"{name}.").isdigit()]
            return in_order(os.path.join(folder, each) for each in numbered)
        return []


def _identity(path: str) -> _Identity | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
