"""
Writing to a descriptor that others may hold too, such as standard error, without ever waiting for its reader.

Whether a pipe is non-blocking belongs to the pipe's end, which we share with whoever started us and with whoever else
writes there: it must not be changed. So we open the same pipe a second time, for ourselves (Linux); a socket is asked
for each message not to wait. Where neither can be had, a pipe that polls as writable takes a page without waiting.
Files never make one wait for a reader. Used by `outlet.py`.
"""

import os
import select
import socket
import stat
from collections.abc import Callable
from contextlib import suppress

# What a pipe that polls as writable takes at once, and never in part: 512 bytes by POSIX, 4096 on Linux.
_ATOMIC_BYTES = select.PIPE_BUF


class DescriptorDestination:
    """A descriptor; it stays the caller's, `close` closes only what was opened here."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self.watched: int | None = None           # to be told by the loop when there is room
        self._descriptor = descriptor
        self._own: int | None = None
        self._socket: socket.socket | None = None
        self._must_poll = False
        with suppress(OSError):                   # closed already: each write will say so
            self._prepare(os.fstat(descriptor).st_mode)

    def _prepare(self, mode: int) -> None:
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=os.dup(self._descriptor))
            self.watched = self._socket.fileno()
        elif stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and os.isatty(self._descriptor)):
            self._open_again()

    def _open_again(self) -> None:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            self._own = self.watched = os.open(f"/proc/self/fd/{self._descriptor}", flags)
        except OSError:                           # another system, or a pipe of another user
            self._must_poll = True

    def make_room(self, size: int) -> None:
        """Nothing is to be done before whole lines of this size are written."""

    def write(self, data: memoryview) -> int:
        """Write some; how much. Raises BlockingIOError when it takes nothing now, OSError when it fails."""
        if self._own is not None:
            return os.write(self._own, data)
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        if self._must_poll:
            if not self.wait(0):
                raise BlockingIOError
            data = data[:_ATOMIC_BYTES]
        return os.write(self._descriptor, data)

    def wait(self, seconds: float) -> bool:
        """Wait for room; whether there is some."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(seconds * 1000))

    def begin_sync(self) -> Callable[[], None] | None:
        """A reader is no disk: what it has taken is written."""
        return None

    def close(self) -> None:
        """Close what was opened here."""
        if self._own is not None:
            os.close(self._own)
            self._own = self.watched = None
        if self._socket is not None:
            self._socket.close()
            self._socket = self.watched = None
