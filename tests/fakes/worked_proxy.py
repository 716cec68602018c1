"""A running proxy with workers: which processes there are, and clients that go on asking while something happens."""

import os
import threading
from pathlib import Path
from time import monotonic
from typing import Any, Self

from tests.fakes.management_client import call
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.waiting import wait_until
from tests.fakes.wire_client import Way

# Generous: a machine may be slow, and a worker takes a second to start on a fast one.
LONG = 60.0


def workers_of(proxy: RunningProxy) -> list[dict[str, Any]]:
    """What `/v1/status` says of each."""
    workers: list[dict[str, Any]] = call(proxy, "GET", "/v1/status").json["workers"]
    return workers


def pids_of(proxy: RunningProxy) -> list[int]:
    """The processes below the supervisor, as the kernel knows them."""
    pid = proxy.process.pid
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))



def is_gone(pid: int) -> bool:
    """Whether a process has ended, read out or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def hold_all_workers(proxy: RunningProxy, count: int) -> dict[int, int]:
    """Connections kept open until each worker has one; how many each has, by its number."""
    deadline = monotonic() + LONG
    while True:
        proxy.raw("http")
        held: dict[int, int] = {}
        for each in call(proxy, "GET", "/v1/connections").json["connections"]:
            held[each["worker"]] = held.get(each["worker"], 0) + 1
        if len(held) == count:
            return held
        assert monotonic() < deadline, held


class Load:
    """Clients that ask again and again, each time on a new connection. `failures` are those without a 200."""

    def __init__(self, proxy: RunningProxy, clients: int = 3, way: Way = Way.HTTP) -> None:
        self.proxy, self.way = proxy, way
        self.answered = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, name=f"client {number}") for number in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.goes_on(5)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, requests: int) -> None:
        """Wait until so many more have been answered."""
        wanted = self.answered + requests
        wait_until(lambda: self.answered >= wanted, LONG, what="the load stands still")

    def _ask(self) -> None:
        raw = request("/", self.proxy.authority(self.way, "ok.test"))
        while not self._stop.is_set():
            try:
                with self.proxy.open(self.way, "ok.test") as session:
                    session.send(raw)
                    status = str(session.read_answer("GET").status)
            except (OSError, AssertionError, EOFError) as error:
                status = type(error).__name__
            with self._lock:
                if status == "200":
                    self.answered += 1
                    self.proxy.started += 1
                else:
                    self.failures.append(status)


def environment_of_transforms(folder: Path) -> dict[str, str]:
    """Where the modules of a test's own transforms are found."""
    return {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
