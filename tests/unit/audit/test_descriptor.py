"""Pipes, sockets, files and terminals: none makes us wait, and what others hold of them stays as it was."""

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from iron_proxy.audit.descriptor import DescriptorDestination


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def fill(destination: DescriptorDestination) -> int:
    """Write until it takes nothing more; how much it took."""
    size = 0
    while size < 10_000_000:
        try:
            size += destination.write(memoryview(b"x" * 1000))
        except BlockingIOError:
            return size
    raise AssertionError("it takes anything")


def test_a_full_pipe_says_so_at_once_and_takes_more_when_it_was_read(pipe: tuple[int, int]) -> None:
    destination = DescriptorDestination(pipe[1], "test")

    size = fill(destination)
    assert not destination.wait(0)
    os.read(pipe[0], size)

    assert destination.wait(0)
    assert destination.write(memoryview(b"more")) == 4
    destination.close()


def test_a_pipe_that_others_hold_stays_blocking_for_them(pipe: tuple[int, int]) -> None:
    destination = DescriptorDestination(pipe[1], "test")
    fill(destination)

    assert not fcntl.fcntl(pipe[1], fcntl.F_GETFL) & os.O_NONBLOCK
    destination.close()


def test_a_pipe_that_cannot_be_opened_again_is_asked_before_each_page(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> int:
        raise PermissionError(13, "permission denied")

    monkeypatch.setattr(os, "open", refuse)
    destination = DescriptorDestination(pipe[1], "test")

    assert fill(destination) >= 4096
    assert destination.watched is None
    assert len(os.read(pipe[0], 5000)) == 5000


def test_a_full_socket_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:      # a journal's
    ours, theirs = socket.socketpair()
    with ours, theirs:
        destination = DescriptorDestination(ours.fileno(), "test")
        assert fill(destination) > 0
        assert ours.getblocking()
        destination.close()
        ours.setblocking(True)                                 # and it is still open
        theirs.recv(100)


def test_a_file_takes_everything(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    destination = DescriptorDestination(descriptor, "test")

    assert destination.write(memoryview(b"x" * 100_000)) == 100_000
    assert destination.begin_sync() is None
    destination.close()
    os.close(descriptor)                                       # it stayed ours


def test_a_closed_descriptor_fails_when_it_is_written_to() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)

    with pytest.raises(OSError, match="Bad file descriptor"):
        DescriptorDestination(writing, "test").write(memoryview(b"x"))


def test_a_reader_that_has_gone_is_a_failure_and_no_signal(pipe: tuple[int, int]) -> None:
    reading, writing = os.pipe()
    destination = DescriptorDestination(writing, "test")
    os.close(reading)

    with pytest.raises(BrokenPipeError):
        destination.write(memoryview(b"x"))
    destination.close()
    os.close(writing)
