"""The oracle O5 notices each kind of thing that a process keeps, waits for what still goes, and lets a pool be."""

import socket
from collections.abc import Iterator

import pytest
from tests.fakes.leaky_process import LeakyProcess
from tests.fakes.leftovers import EXECUTOR_THREADS, RESIDENT_KIB, Leftovers
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.waiting import wait_until
from tests.fakes.wire_client import Way, connect

BRIEF = 0.05


@pytest.fixture
def leaky() -> Iterator[LeakyProcess]:
    with LeakyProcess() as process:
        yield process


@pytest.fixture
def leftovers(leaky: LeakyProcess) -> Leftovers:
    return Leftovers(leaky.pid, lambda upstreams: 0)


def test_a_process_that_keeps_nothing_passes(leftovers: Leftovers) -> None:
    leftovers.check(BRIEF)
    leftovers.check(BRIEF)


def test_a_connection_that_its_client_has_closed_is_left(leaky: LeakyProcess, leftovers: Leftovers) -> None:
    with connect(("127.0.0.1", leaky.port)):
        leaky.tell("accept")

    with pytest.raises(AssertionError, match="1 connections of clients"):
        leftovers.check(BRIEF)
    leaky.tell("drop")
    leftovers.check()


def test_a_connection_that_it_has_made_is_left_unless_it_may_keep_it(leaky: LeakyProcess) -> None:
    may_keep = 1
    leftovers = Leftovers(leaky.pid, lambda upstreams: may_keep)
    with socket.create_server(("127.0.0.1", 0)) as origin:
        leaky.tell(f"dial {origin.getsockname()[1]}")
        leftovers.check(BRIEF)
        leaky.tell(f"dial {origin.getsockname()[1]}")

        with pytest.raises(AssertionError, match="2 connections to upstreams, where 1 may be kept"):
            leftovers.check(BRIEF)
        may_keep = 2
        leftovers.check()


def test_what_goes_while_it_waits_is_not_left(leaky: LeakyProcess) -> None:
    asked: list[int] = []

    def may_keep(upstreams: int) -> int:
        if not asked:
            leaky.tell("drop")
        asked.append(upstreams)
        return 0

    leftovers = Leftovers(leaky.pid, may_keep)
    with socket.create_server(("127.0.0.1", 0)) as origin:
        leaky.tell(f"dial {origin.getsockname()[1]}")

        leftovers.check()

    assert asked == [1]


def test_an_open_file_is_left(leaky: LeakyProcess, leftovers: Leftovers) -> None:
    leaky.tell("open")

    with pytest.raises(AssertionError, match="other descriptors"):
        leftovers.check(BRIEF)
    leaky.tell("drop")
    leftovers.check()


def test_a_file_of_a_process_below_is_left_too(leaky: LeakyProcess) -> None:
    leaky.tell("child")
    leftovers = Leftovers(leaky.pid, lambda upstreams: 0)
    leftovers.check(BRIEF)

    leaky.tell("child")

    with pytest.raises(AssertionError, match="other descriptors"):
        leftovers.check(BRIEF)


def test_threads_beyond_the_executors_are_left(leaky: LeakyProcess, leftovers: Leftovers) -> None:
    for _ in range(EXECUTOR_THREADS):
        leaky.tell("thread")
    leftovers.check(BRIEF)

    leaky.tell("thread")

    with pytest.raises(AssertionError, match="threads"):
        leftovers.check(BRIEF)


def test_memory_is_left_once_it_is_more_than_an_allocator_keeps(leaky: LeakyProcess, leftovers: Leftovers) -> None:
    leaky.tell(f"hold {RESIDENT_KIB // 1024 - 2}")
    leftovers.check(BRIEF)
    leftovers.begin()
    leaky.tell(f"hold {RESIDENT_KIB // 1024 + 1}")

    with pytest.raises(AssertionError, match="KiB of memory"):
        leftovers.check(BRIEF)
    leftovers.allow(2 * RESIDENT_KIB)
    leftovers.check(BRIEF)
    leftovers.begin()
    leaky.tell(f"hold {RESIDENT_KIB // 1024 + 1}")
    with pytest.raises(AssertionError, match="KiB of memory"):
        leftovers.check(BRIEF)


def is_left(proxy: RunningProxy) -> bool:
    """Whether O5 sees a client's connection."""
    try:
        proxy.leftovers.check(BRIEF)
    except AssertionError as error:
        return "1 connections of clients" in str(error)
    return False


def test_the_real_proxy_passes_once_its_client_has_gone_and_keeps_what_is_pooled(proxy: RunningProxy) -> None:
    for way in Way:
        assert proxy.ask(way).status == 200
    with connect(proxy.addresses["http"]):
        wait_until(lambda: is_left(proxy), 20.0)  # it has yet to be accepted

    proxy.leftovers.check()
