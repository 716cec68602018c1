"""
A worker's way to the audit log: lines go to the supervisor, the one writer of the log.

Relaxed, what the supervisor's socket has taken is its affair, and it takes no more than the log does. Strict, a line is
written when the supervisor says so: it sends how many bytes are, as eight bytes each time.
"""

import select
import socket
from collections.abc import Callable
from functools import partial

from iron_proxy.audit.outlet import STALL_SECONDS


class SupervisorDestination:
    """See `audit/outlet.py: Destination`. `sock` is blocking: only the thread that syncs reads it."""

    def __init__(self, sock: socket.socket, *, is_strict: bool) -> None:
        self.name = "supervisor"
        self.watched: int | None = sock.fileno()
        self._sock = sock
        self._is_strict = is_strict
        self._sent = 0
        self._acknowledged = 0
        self._half = b""

    def make_room(self, size: int) -> None:
        """Nothing is to be done."""

    def write(self, data: memoryview) -> int:
        """Send some; how much."""
        size = self._sock.send(data, socket.MSG_DONTWAIT)
        self._sent += size
        return size

    def wait(self, seconds: float) -> bool:
        """Wait for room; whether there is some."""
        return _is_ready(self._sock, select.POLLOUT, seconds)

    def begin_sync(self) -> Callable[[], None] | None:
        """Strict: what waits until everything so far is in the log."""
        return partial(self._wait_for, self._sent) if self._is_strict else None

    def _wait_for(self, size: int) -> None:
        while self._acknowledged < size:
            # Nobody waits longer for a record; a reader that comes back later acknowledges the next one with it.
            if not _is_ready(self._sock, select.POLLIN, STALL_SECONDS):
                raise TimeoutError
            received = self._half + self._sock.recv(8 - len(self._half))
            if received == self._half:
                raise ConnectionResetError       # the supervisor is gone
            self._half = received if len(received) < 8 else b""
            if not self._half:
                self._acknowledged = int.from_bytes(received, "big")

    def close(self) -> None:
        """The end of this worker's lines."""
        self._sock.close()


def _is_ready(sock: socket.socket, event: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(sock, event)
    return bool(poll.poll(seconds * 1000))
