"""A destination for tests: it takes what it is told to take, and fails as it is told to."""

import errno
from collections.abc import Callable


class FakeDestination:
    """`room` is how many bytes it takes before it would have to wait; None is no limit."""

    name = "fake"
    watched: int | None = None

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.is_full = False              # as a disk
        self.content = b""
        self.rooms_made: list[int] = []
        self.waited: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None
        self.sync_call: Callable[[], None] | None = None
        self.is_closed = False

    def make_room(self, size: int) -> None:
        self.rooms_made.append(size)

    def write(self, data: memoryview) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "no space left on device")
        taken = bytes(data) if self.room is None else bytes(data[: self.room])
        if not taken:
            raise BlockingIOError
        if self.room is not None:
            self.room -= len(taken)
        self.content += taken
        return len(taken)

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.on_wait()
        return self.room != 0

    def begin_sync(self) -> Callable[[], None] | None:
        return self.sync_call

    def close(self) -> None:
        self.is_closed = True
