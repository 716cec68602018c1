"""
O5: what a process holds, so that a test can see that it leaves nothing of it behind.

`Leftovers.check` costs little in the good case: there is no descriptor that an earlier look has not seen, and nothing
else has grown. Only a new descriptor makes it read the kernel's tables, which takes milliseconds, to tell connections
of clients, none of which may stay, from those to upstreams, which a pool may keep. `RunningProxy.check_oracles` calls
it.

The proxy forbids all but root to look at its descriptors. Another user's tests go without that part.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic
from typing import NamedTuple

# A machine may be slow and busy; what is left after this will stay.
LONG = 20.0
# Threads of the event loop's executor come as they are needed and stay: as many as `concurrent.futures` has.
EXECUTOR_THREADS = min(32, (os.cpu_count() or 1) + 4)
# Memory cannot be told to the byte: 14 MiB were seen, of what is built at first use together with what the allocator
# keeps of a burst. What stays of a request is found where a test makes many, or large ones.
RESIDENT_KIB = 20 * 1024

_PAUSE = 0.002
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_LISTENS = "0A"

# Descriptors as the kernel names them: a socket by a number of its own, others by what they are of.
Descriptors = Counter[str]


class Connections(NamedTuple):
    """How many there are to a process's listeners, and how many it has made."""

    clients: int
    upstreams: int


class Leftovers:
    """
    Of one process and the workers below it, from the moment when it serves.

    `may_keep` tells how many of so many connections to upstreams are kept on purpose.
    """

    def __init__(self, pid: int, may_keep: Callable[[int], int]) -> None:
        self._main, self._may_keep = Path("/proc", str(pid)), may_keep
        self._ports: set[str] = set()            # of its listeners
        self._expected: Descriptors = Counter()
        # libuv opens it when it first listens, which may be yet to come: as if it had.
        self._expected["/dev/null"] = self._descriptors()["/dev/null"] + len(self._processes())
        self._known = self._descriptors()
        self._others = self._known.total() - sum(self._connections(self._known))
        self._threads = self._thread_count()
        self.begin()

    def begin(self) -> None:
        """A test begins."""
        self._resident, self._may_grow = self._resident_kib(), RESIDENT_KIB

    def allow(self, kib: int) -> None:
        """This test may leave so much memory, for a reason of its own."""
        self._may_grow = kib

    def check(self, timeout: float = LONG) -> None:
        """Wait until nothing is left of the test. Raises AssertionError with what still is."""
        deadline = monotonic() + timeout
        while left := self._left():
            assert monotonic() < deadline, left
            Event().wait(_PAUSE)

    # --- what is left -----------------------------------------------------------------------------------------------

    def _left(self) -> list[str]:
        try:
            return [*self._left_descriptors(), *self._left_threads(), *self._left_memory()]
        except (FileNotFoundError, ProcessLookupError):
            return ["a worker that ends"]

    def _left_descriptors(self) -> Iterator[str]:
        held = self._descriptors()
        if not held <= self._known:
            Event().wait(_PAUSE)                 # for what goes at once: the tables take longer than that
            held = self._descriptors()
        if held <= self._known:
            return
        clients, upstreams = self._connections(held)
        others = held.total() - clients - upstreams
        if clients:
            yield f"{clients} connections of clients"
        elif upstreams > (may_keep := self._may_keep(upstreams)):
            yield f"{upstreams} connections to upstreams, where {may_keep} may be kept"
        elif others > self._others:
            yield f"{others} other descriptors, where {self._others} were at the start"
        else:
            self._known = held

    def _left_threads(self) -> Iterator[str]:
        count = self._thread_count()
        if count > self._threads + EXECUTOR_THREADS:
            yield f"{count} threads, where {self._threads} were at the start"

    def _left_memory(self) -> Iterator[str]:
        grown = self._resident_kib() - self._resident
        if grown > self._may_grow:
            yield f"{grown} KiB of memory more than before the test"

    # --- what the kernel tells --------------------------------------------------------------------------------------

    def _processes(self) -> list[Path]:
        below = (self._main / "task" / self._main.name / "children").read_text("ascii")
        return [self._main, *(Path("/proc", pid) for pid in below.split())]

    def _descriptors(self) -> Descriptors:
        return Counter(name for process in self._processes() for name in descriptors_of(process)) | self._expected

    def _connections(self, held: Descriptors) -> Connections:
        ends = [end for end in self._ends() if f"socket:[{end.inode}]" in held]
        self._ports |= {end.port for end in ends if end.state == _LISTENS}
        ports = [end.port for end in ends if end.state != _LISTENS]
        clients = sum(port in self._ports for port in ports)
        return Connections(clients, len(ports) - clients)

    def _ends(self) -> Iterator["_End"]:
        for table in ("tcp", "tcp6"):
            lines = (self._main / "net" / table).read_text("ascii").splitlines()[1:]
            for fields in map(str.split, lines):
                yield _End(fields[1].rpartition(":")[2], fields[3], fields[9])

    def _thread_count(self) -> int:
        return sum(len(os.listdir(process / "task")) for process in self._processes())

    def _resident_kib(self) -> int:
        return sum(int((each / "statm").read_text("ascii").split()[1]) for each in self._processes()) * _PAGE_KIB


class _End(NamedTuple):
    """This end of a connection of TCP, or a listener, in the kernel's own spelling."""

    port: str
    state: str
    inode: str


def descriptors_of(process: Path) -> Iterator[str]:
    """What a process has open. One that closes meanwhile is not open."""
    try:
        numbers = os.listdir(process / "fd")
    except PermissionError:
        return
    for number in numbers:
        try:
            yield os.readlink(process / "fd" / number)
        except FileNotFoundError:
            if not process.exists():
                raise
