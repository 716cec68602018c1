"""A worker's lines on their way to the supervisor, and the word that they are written."""

import socket
from collections.abc import Iterator

import pytest

from iron_proxy.workers import audit_channel
from iron_proxy.workers.audit_channel import SupervisorDestination

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def fill(destination: SupervisorDestination) -> None:
    while True:
        destination.write(memoryview(b"x" * 65536))


def test_relaxed_what_is_sent_is_written(pair: Pair) -> None:
    destination = SupervisorDestination(pair[0], is_strict=False)

    assert destination.write(memoryview(b"a line\n")) == 7
    assert destination.begin_sync() is None
    assert pair[1].recv(100) == b"a line\n"


def test_it_never_waits_for_room(pair: Pair) -> None:
    destination = SupervisorDestination(pair[0], is_strict=False)

    with pytest.raises(BlockingIOError):
        fill(destination)
    assert not destination.wait(0)
    pair[1].recv(10_000_000)
    assert destination.wait(5)


def test_strict_it_is_written_when_the_supervisor_says_so(pair: Pair) -> None:
    destination = SupervisorDestination(pair[0], is_strict=True)
    destination.write(memoryview(b"12345\n"))
    wait = destination.begin_sync()
    destination.write(memoryview(b"later\n"))
    assert wait is not None
    pair[1].send((3).to_bytes(8, "big") + (6).to_bytes(8, "big")[:5])
    pair[1].send((6).to_bytes(8, "big")[5:])

    wait()

    assert destination._acknowledged == 6


def test_strict_nobody_waits_for_ever(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_channel, "STALL_SECONDS", 0.01)
    destination = SupervisorDestination(pair[0], is_strict=True)
    destination.write(memoryview(b"a line\n"))
    wait = destination.begin_sync()
    assert wait is not None

    with pytest.raises(TimeoutError):
        wait()
    pair[1].close()
    with pytest.raises(ConnectionError):
        wait()


def test_the_end_of_it_is_the_end_of_the_lines(pair: Pair) -> None:
    destination = SupervisorDestination(pair[0], is_strict=False)
    destination.make_room(1)

    destination.close()

    assert pair[1].recv(1) == b""
