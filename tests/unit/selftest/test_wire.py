import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from iron_proxy.selftest.wire import (
    MAX_ANSWER,
    ask_datagram,
    connect_unix,
    converse,
    is_whole,
    open_tcp,
    ping,
    read_answer,
    start_tls,
    status_of,
)

PATIENCE = 10.0


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"\0\3abc", True),
        (b"\0\4abc", False),
        (b"selftest-canary:abc;", True),
        (b"", False),
    ],
)
def test_an_answer_is_whole_when_its_form_says_so(answer: bytes, whole: bool) -> None:
    assert is_whole(answer) is whole


def test_an_answer_that_is_whole_is_not_waited_on(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    assert converse(near, b"hello", PATIENCE).endswith(b"ok")
    assert far.recv(10) == b"hello"


def test_what_has_come_when_time_is_up_or_the_other_side_ends_is_the_answer(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    near, far = ends
    far.sendall(b"part")
    assert read_answer(near, 0.05) == b"part"

    far.sendall(b"rest")
    far.shutdown(socket.SHUT_WR)
    assert read_answer(near, PATIENCE) == b"rest"


def test_an_endless_answer_is_read_to_its_limit(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    writer = threading.Thread(target=far.sendall, args=(b"x" * MAX_ANSWER * 2,), daemon=True)
    writer.start()

    assert MAX_ANSWER <= len(read_answer(near, PATIENCE)) < MAX_ANSWER * 2

    near.close()


def test_a_connection_that_is_refused_raises() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        open_tcp("127.0.0.1", port, PATIENCE)


def test_tls_that_fails_closes_the_socket(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    near.settimeout(PATIENCE)
    far.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(ssl.SSLError):
        start_tls(near, "a.test")
    assert near.fileno() == -1


def test_a_datagram_that_nobody_answers_is_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))

        assert ask_datagram("127.0.0.1", silent.getsockname()[1], b"x", 0.05) == b""
        assert silent.recv(10) == b"x"


@pytest.mark.root
def test_this_machine_answers_its_own_ping() -> None:
    payload = b"ipst-0123456789abcdef-direct-icmp-1-end"

    try:
        answer = ping("127.0.0.1", payload, PATIENCE)
    except PermissionError:
        pytest.skip("this machine grants no ICMP socket")

    assert answer == payload


class _RawSocket:
    """What a raw ICMP socket is given on loopback: an IP header, its own request, somebody else's answer, its own."""

    def __init__(self) -> None:
        self.sent = b""
        self._others = [b"\x08\0", b"\0\0"]

    def __enter__(self) -> "_RawSocket":
        return self

    def __exit__(self, *_: object) -> None: ...

    def settimeout(self, timeout: float) -> None: ...

    def connect(self, address: tuple[str, int]) -> None: ...

    def send(self, message: bytes) -> None:
        self.sent = message

    def recv(self, size: int) -> bytes:
        header = b"\x45" + bytes(19)
        if self._others:
            return header + self._others.pop(0) + b"another's"
        return header + b"\0\0" + self.sent[2:]


def test_a_ping_by_a_raw_socket_finds_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = _RawSocket()
    monkeypatch.setattr("iron_proxy.selftest.wire._icmp_socket", lambda: raw)

    assert ping("192.0.2.1", b"abc", PATIENCE) == b"abc"
    assert raw.sent[:1] == b"\x08"
    assert _one_complement_sum(raw.sent + b"\0") == 0xFFFF


def _one_complement_sum(message: bytes) -> int:
    words: tuple[int, ...] = struct.unpack(f">{len(message) // 2}H", message)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_a_socket_that_is_a_file_is_connected_to_or_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect_unix(str(tmp_path / "none"), PATIENCE)


@pytest.mark.parametrize(
    ("answer", "status"), [(b"HTTP/1.1 403 Forbidden", 403), (b"HTTP/1.0 200", 200), (b"HTTP/2 200", None), (b"", None)]
)
def test_a_status_is_read_from_http1_alone(answer: bytes, status: int | None) -> None:
    assert status_of(answer) == status
