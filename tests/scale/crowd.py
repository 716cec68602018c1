"""Many clients at once, from a few threads: blocking sessions cost less memory than streams of a loop."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter
from typing import TypeVar

from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import Session, Way

T = TypeVar("T")
THREADS = 4
# A client that asks all the while, now and then: what it feels is what is measured.
BYSTANDER_PAUSE = 0.005


def all_of(count: int, act: Callable[[int], T]) -> list[T]:
    """What each of so many made, in their order. Raises what the first failed one raised."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="crowd") as pool:
        return list(pool.map(act, range(count)))


def ask_on(proxy: RunningProxy, session: Session, way: Way, path: str = "/", host: str = "ok.test") -> None:
    """One request that must be answered; the caller counts it."""
    session.send(request(path, proxy.authority(way, host)))
    answer = session.read_answer()
    assert (answer.status, answer.is_complete) == (200, True), answer


class Bystander:
    """One client of another origin that asks on a connection of its own; `seconds` are the times of its answers."""

    def __init__(self, proxy: RunningProxy, host: str = "wild.test") -> None:
        self._proxy, self._host = proxy, host
        self._session = proxy.open(Way.HTTPS, host)
        self._ending = Event()
        self._thread = Thread(target=self._run, name="bystander")
        self.seconds: list[float] = []
        self.failure: BaseException | None = None

    def _run(self) -> None:
        try:
            while not self._ending.wait(BYSTANDER_PAUSE):
                begun = perf_counter()
                ask_on(self._proxy, self._session, Way.HTTPS, host=self._host)
                self.seconds.append(perf_counter() - begun)
        except BaseException as error:      # told by `watching`, in the test's own thread
            self.failure = error

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Stop asking; its requests are counted from here on. Raises what went wrong."""
        self._ending.set()
        self._thread.join(30.0)
        self._proxy.started += len(self.seconds)
        if self.failure is not None:
            raise self.failure


@contextmanager
def watching(proxy: RunningProxy) -> Iterator[Bystander]:
    """A bystander that asks meanwhile, and was answered every time."""
    bystander = Bystander(proxy)
    bystander.begin()
    try:
        yield bystander
    finally:
        bystander.end()
    assert bystander.seconds
