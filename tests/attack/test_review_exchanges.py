"""What one exchange does to the next, to its client and to its record, when something in it goes wrong."""

import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from tests.conftest import Fresh
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import PROXY_TOKEN, RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, Session, Way, way_id

CHUNKED = "Transfer-Encoding: chunked\r\n"


def ends_in_order(session: Session) -> bool:
    """Whether the proxy ended the connection with a FIN, and not with a reset."""
    try:
        while session.sock.recv(65_536):
            pass
    except ConnectionResetError:
        return False
    return True


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_malformed_request_on_a_kept_connection_is_answered(proxy: RunningProxy, way: Way) -> None:
    host = proxy.authority(way, "ok.test")
    with proxy.open(way, "ok.test") as session:
        proxy.started += 2
        session.send(request("/", host, method="HEAD"))
        first = session.read_answer("HEAD")
        session.send(b"GET  / HTTP/1.1\r\n\r\n")
        second = session.read_answer()

    assert (first.status, second.status, second.is_complete) == (200, 400, True)
    assert second.body == b"malformed request line\n"


def test_a_malformed_pipelined_request_does_not_cost_the_answer_before_it(proxy: RunningProxy) -> None:
    with proxy.open(Way.HTTP, "ok.test") as session:
        proxy.started += 2
        session.send(request("/", proxy.authority(Way.HTTP, "ok.test")) + b"GET  / HTTP/1.1\r\n\r\n")
        answers = [session.read_answer(), session.read_answer()]

        assert [answer.status for answer in answers] == [200, 400]
        assert ends_in_order(session)


def test_an_upload_that_policy_refuses_is_answered_without_a_reset(proxy: RunningProxy) -> None:
    with proxy.open(Way.HTTP, "ok.test") as session:
        proxy.started += 1
        head = "POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 200000\r\n\r\n"
        session.send(head.encode())
        answer = session.read_answer()
        session.send(b"x" * 200_000)

        assert answer.status == 403
        assert ends_in_order(session)


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_malformed_body_that_a_transform_reads_is_the_clients_fault(proxy: RunningProxy, way: Way) -> None:
    headers = f"X-Api-Key: {PROXY_TOKEN}\r\n{CHUNKED}"
    raw = request("/", proxy.authority(way, "swap.test"), method="POST", headers=headers) + b"5\r\nhelloX\r\n0\r\n\r\n"

    answer = proxy.exchange(way, raw, host="swap.test")

    assert (answer.status, answer.get(b"connection")) == (400, b"close")
    assert proxy.arrived() == []
    record = proxy.last_record()
    assert (record["action"], record["status_code"]) == ("reject", 400)


def test_a_client_that_leaves_while_a_transform_reads_its_body_has_cancelled(proxy: RunningProxy) -> None:
    headers = f"X-Api-Key: {PROXY_TOKEN}\r\nContent-Length: 1000\r\n"
    with proxy.open(Way.HTTPS, "swap.test") as session:
        proxy.started += 1
        session.send(request("/", proxy.authority(Way.HTTPS, "swap.test"), method="POST", headers=headers) + b"half")
        session.end()
        session.read_to_end()

    assert proxy.last_record()["action"] == "client_cancel"
    assert proxy.arrived() == []


def test_a_refused_client_that_does_not_wait_for_its_answer_is_still_a_refused_one(proxy: RunningProxy) -> None:
    for _ in range(30):
        session = proxy.raw("http")
        proxy.started += 1
        session.send(request("/", "other.test"))
        session.reset()

    assert {record["action"] for record in proxy.new_records()} == {"reject"}


def test_a_client_that_opens_a_tunnel_and_leaves_is_no_failure_of_ours(proxy: RunningProxy) -> None:
    for _ in range(30):
        session = proxy.raw("tunnel")
        proxy.started += 1
        session.send(b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test:443\r\n\r\n")
        session.reset()

    assert {record["action"] for record in proxy.new_records()} <= {"allow", "client_cancel"}


def test_a_body_that_the_proxy_gives_up_does_not_end_like_a_whole_one(proxy: RunningProxy, internet: Internet) -> None:
    internet.allowed.raw_replies["part"] = RawReply(b"HTTP/1.1 200 OK\r\n\r\nfirst half", Then.STALL)
    host = proxy.authority(Way.HTTP, "ok.test")
    with proxy.open(Way.HTTP, "ok.test") as session:
        proxy.started += 1
        session.send(f"GET /raw/part HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        session.end()  # only the end of the connection will say that the body is whole

        assert not ends_in_order(session)
    assert proxy.last_record()["action"] == "client_cancel"


@pytest.fixture
def early_origin(internet: Internet) -> Iterator[tuple[int, threading.Event]]:
    """An origin that answers before the upload is complete, and goes on when the event is set."""
    listening = socket.create_server((ALLOWED, 0))
    goes_on = threading.Event()

    def serve() -> None:
        sock = listening.accept()[0]
        with sock:
            sock.recv(65_536)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            goes_on.wait(10)
            sock.sendall(b"-last")

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1], goes_on
    goes_on.set()
    thread.join()
    listening.close()


def test_an_early_answer_may_pause_for_longer_than_its_head_might(
    proxy: RunningProxy, early_origin: tuple[int, threading.Event]
) -> None:
    port, goes_on = early_origin
    with proxy.open(Way.HTTP, "ok.test") as session:
        proxy.started += 1
        session.send(request("/", f"ok.test:{port}", method="POST", headers=CHUNKED) + b"5\r\nhello\r\n")
        while not session.received.endswith(b"first"):
            assert session.read()
        session.send(b"0\r\n\r\n")
        session.sock.settimeout(3.0)  # the answer's head has 2 s in BASE.yaml, its body has more
        with pytest.raises(TimeoutError):
            session.sock.recv(1)
        session.sock.settimeout(10.0)
        goes_on.set()

        assert session.read_exactly(5) == b"-last"


def test_a_body_that_a_stop_cuts_does_not_end_like_a_whole_one(fresh_proxy: Fresh, internet: Internet) -> None:
    internet.allowed.raw_replies["part"] = RawReply(b"HTTP/1.1 200 OK\r\n\r\nfirst half", Then.STALL)
    proxy = fresh_proxy()
    with proxy.open(Way.HTTP, "ok.test") as session:
        session.send(f"GET /raw/part HTTP/1.0\r\nHost: {proxy.authority(Way.HTTP, 'ok.test')}\r\n\r\n".encode())
        while not session.received.endswith(b"first half"):
            assert session.read()
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_for(lambda line: line.get("msg") == "received signal, shutting down")
        proxy.process.send_signal(signal.SIGTERM)

        assert not ends_in_order(session)
    assert proxy.wait_for_exit() == 0
    assert [record["action"] for record in proxy.records()] == ["error"]
