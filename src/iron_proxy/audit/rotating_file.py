"""
The audit log as a file: appended to, one process at a time, and put aside when it has grown to its size.

The newest file keeps its name; those put aside are `NAME.1` (the last one), `NAME.2` and so on. Every step is a rename,
so that a file is there at any moment, and each holds whole lines only. A file that somebody moves away is made again.
Used by `outlet.py`.
"""

import fcntl
import logging
import os
import select
import stat
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

# How often to look whether the file is still the one with the name, and to try again what did not succeed.
_LOOK_SECONDS: Final = 1.0
# To find the last line: an annotation may be long, and no longer than this.
_TAIL_BYTES: Final = 4 * 1024 * 1024

_log = logging.getLogger("iron_proxy.audit")


class RotatingFile:
    """
    A `Destination`. `open` first. `max_size` in bytes, None is no limit; `keep` files are left beside the newest.

    `syncs`: what is written is also put on the disk (`begin_sync`).
    """

    watched: int | None = None           # a file has no reader to wait for

    def __init__(self, path: str, *, max_size: int | None, keep: int, syncs: bool = False) -> None:
        self.name = path
        self.size = 0
        self.torn_bytes = 0              # what a crash had left of a last line, which was taken off
        self.last_line = b""             # that had been written when it was opened, here or in the file before
        self._path = path
        self._max_size, self._keep, self._syncs = max_size, keep, syncs
        self._descriptor = -1
        self._looked_at = 0.0
        self._rotation_failed = False

    def open(self) -> None:
        """Open or make the file. Raises OSError; BlockingIOError when another process has it."""
        self._take(_open(self._path))
        self._take_torn_line_off()
        self.last_line = self._find_last_line()

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(OSError):                # another user's file, which we may write to
                os.fchmod(descriptor, 0o600)
            size = os.fstat(descriptor).st_size
        except OSError:
            os.close(descriptor)
            raise
        previous, self._descriptor, self.size = self._descriptor, descriptor, size
        if previous >= 0:
            self._leave(previous)

    def _leave(self, descriptor: int) -> None:
        if self._syncs:
            with suppress(OSError):
                os.fdatasync(descriptor)
        os.close(descriptor)

    # --- lines ------------------------------------------------------------------------------------------------------

    def write(self, data: memoryview) -> int:
        """Append some; how much. Raises OSError when the disk is full."""
        size = os.write(self._descriptor, data)
        self.size += size
        return size

    def wait(self, seconds: float) -> bool:
        """A full disk says nothing: wait a moment."""
        select.select((), (), (), seconds)         # only where no loop runs
        return True

    def begin_sync(self) -> Callable[[], None] | None:
        """What puts on the disk what was written so far. Its descriptor is its own: the file may be put aside."""
        if not self._syncs:
            return None
        descriptor = os.dup(self._descriptor)

        def sync() -> None:
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

        return sync

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # --- rotation ---------------------------------------------------------------------------------------------------

    def make_room(self, size: int) -> None:
        """Put the file aside if lines of this size are too much for it, or make it again if it is gone."""
        is_full = self._max_size is not None and self.size > 0 and self.size + size > self._max_size
        now = monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            if not self._has_its_name():
                self._take(_open(self._path))
                _log.warning("audit file was moved or removed: made again", extra={"fields": {"file": self._path}})
                return
        elif self._rotation_failed:
            return
        if is_full:
            self._rotate()

    def rotate(self) -> None:
        """Put the file aside whatever its size. Raises OSError."""
        fresh = f"{self._path}.new"
        with suppress(FileNotFoundError):          # of a process that ended in the middle of this
            os.unlink(fresh)
        descriptor = _open(fresh)
        try:
            for number in range(self._keep, 1, -1):
                with suppress(FileNotFoundError):
                    os.replace(f"{self._path}.{number - 1}", f"{self._path}.{number}")
            if self._keep:
                os.replace(self._path, f"{self._path}.1")
            os.replace(fresh, self._path)
        except OSError:
            os.close(descriptor)
            raise
        self._take(descriptor)
        if self._syncs:
            _sync_folder(self._path)

    def _rotate(self) -> None:
        try:
            self.rotate()
            self._rotation_failed = False
        except OSError as error:                   # too long a file is better than a lost record
            reason = (error.strerror or "failed").lower()
            if not self._rotation_failed:
                fields = {"file": self._path, "reason": reason}
                _log.error("audit file could not be put aside: it grows beyond its size", extra={"fields": fields})
            self._rotation_failed = True

    def _has_its_name(self) -> bool:
        try:
            there = os.stat(self._path)
        except OSError:
            return False
        own = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)

    # --- what was written before ------------------------------------------------------------------------------------

    def _take_torn_line_off(self) -> None:
        """A process that was killed while it wrote has left a part of a line, which nobody was promised."""
        tail = _tail(self._path, self.size)
        if tail and not tail.endswith(b"\n"):
            self.torn_bytes = len(tail) - (tail.rfind(b"\n") + 1)
            os.ftruncate(self._descriptor, self.size - self.torn_bytes)
            self.size -= self.torn_bytes

    def _find_last_line(self) -> bytes:
        for path in (self._path, f"{self._path}.1"):
            with suppress(OSError):
                lines = _tail(path, os.stat(path).st_size).splitlines()
                if lines:
                    return lines[-1]
        return b""


def _open(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return descriptor


def _tail(path: str, size: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read(_TAIL_BYTES)


def _sync_folder(path: str) -> None:
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
