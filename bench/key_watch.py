"""When a file is read to its end by somebody else: inotify(7), which tells it without costing the reader anything."""

import ctypes
import os
import select
import threading
import time
from pathlib import Path
from types import TracebackType

# From <sys/inotify.h>: a file that was open for reading only has been closed.
_IN_CLOSE_NOWRITE = 0x10
_BUFFER_BYTES = 4096


class KeyWatch:
    """A context manager: `read_at` is the time of the first reading since it was entered, None before that."""

    def __init__(self, path: Path) -> None:
        self.read_at: float | None = None
        self._path = path
        self._thread = threading.Thread(target=self._wait, name="key-watch", daemon=True)
        self._inotify = -1
        self._wake = (-1, -1)

    def __enter__(self) -> "KeyWatch":
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._inotify < 0 or libc.inotify_add_watch(self._inotify, bytes(self._path), _IN_CLOSE_NOWRITE) < 0:
            number = ctypes.get_errno()
            if self._inotify >= 0:
                os.close(self._inotify)
            raise OSError(number, os.strerror(number), str(self._path))
        self._wake = os.pipe()
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        os.close(self._wake[1])
        self._thread.join()
        os.close(self._wake[0])
        os.close(self._inotify)

    def _wait(self) -> None:
        ready, _, _ = select.select([self._inotify, self._wake[0]], [], [])
        if self._inotify in ready:
            self.read_at = time.perf_counter()
            os.read(self._inotify, _BUFFER_BYTES)
