"""A new configuration under a running proxy: what goes on, and that nobody notices the moment itself."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from tests.attack.test_upgrades import UPGRADE
from tests.conftest import Fresh
from tests.end_to_end.test_websockets import session as websocket
from tests.fakes.grpc_messages import GRPC_HEADERS, framed, unframed
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.http2_peer import speak
from tests.fakes.internet import Internet
from tests.fakes.management_client import ENVIRONMENT, KEY, MANAGEMENT, ONLY_RULES, call, reload, reload_with, rewrite
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, Way, way_id

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


@pytest.fixture
def proxy(fresh_proxy: Fresh) -> RunningProxy:
    return fresh_proxy(management=MANAGEMENT, env=ENVIRONMENT)


@pytest.mark.parametrize("way", [Way.HTTP, Way.CONNECT_TLS], ids=way_id)
def test_a_response_that_is_on_its_way_goes_on(proxy: RunningProxy, way: Way) -> None:
    origin = proxy.internet.allowed_tls if way.is_tls else proxy.internet.allowed
    name = f"reload-{way.name}"
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request(f"/hold/{name}", proxy.authority(way, "ok.test")))
        while b"first" not in session.received:
            assert session.read()
        reload_with(proxy, **ONLY_RULES)
        status = call(proxy, "GET", "/v1/status").json
        shown = call(proxy, "GET", "/v1/connections").json["connections"]
        origin.release(name)
        while b"-last" not in session.received:
            assert session.read()

    assert status["generations_closing"] == 1
    [request_shown] = [each for connection in shown for each in connection["requests"]]
    assert (request_shown["method"], request_shown["host"].partition(":")[0]) == ("GET", "ok.test")
    assert call(proxy, "GET", "/v1/status").json["generations_closing"] == 0
    assert proxy.ask(Way.HTTP).status == 403


@pytest.fixture
def grpc_origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test") as origin:
        yield origin
        assert origin.violations == []


def test_mgt_08_events_a_websocket_a_tunnel_and_a_grpc_call_go_on_side_by_side(
    proxy: RunningProxy, grpc_origin: Http2Origin
) -> None:
    host = proxy.authority(Way.CONNECT_PLAIN, "ok.test")
    events, socket_, tunnel = (proxy.open(Way.CONNECT_PLAIN, "ok.test") for _ in range(3))
    with speak(proxy, Way.CONNECT_TLS, port=grpc_origin.port) as peer:
        call_ = peer.begin("/tests.Calls/Chat", "POST", GRPC_HEADERS, end=False)
        peer.send(call_, framed(b"before"))
        peer.until(lambda: peer.answers[call_].size > 0)
        events.send(request("/sse", host))
        socket_.send(request("/ws", host, headers=UPGRADE))
        for session, sign in ((events, b"data: 0"), (socket_, b"101 ")):
            while sign not in session.received:
                assert session.read()
        proxy.started += 3

        reload_with(proxy, **ONLY_RULES)
        peer.send(call_, framed(b"behind"))
        peer.end(call_)
        answer = peer.answer(call_)
    socket_.send(b"still there")
    while not socket_.received.endswith(b"still there"):
        assert socket_.read()
    while b"data: 9" not in events.received:
        assert events.read()
    proxy.started += 1
    tunnel.send(request("/", host))

    assert (unframed(answer.body), answer.trailers[0]) == (([b"before", b"behind"], b""), (b"grpc-status", b"0"))
    assert tunnel.read_answer().status == 403  # it is open still, and what is asked in it is judged anew
    proxy.check_oracles()


class Load:
    """Clients that ask as fast as they are answered, each in a thread, on connections of 20 requests."""

    def __init__(self, proxy: RunningProxy) -> None:
        self.proxy = proxy
        self.counts: list[int] = []
        self.failures: list[object] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(way,)) for way in ALL_WAYS]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        self.proxy.started = sum(self.counts)     # `open` counts in one thread only

    def _work(self, way: Way) -> None:
        count, raw = 0, request("/", self.proxy.authority(way, "ok.test"))
        try:
            while not self._stop.is_set():
                count += way.is_tunnel
                with self.proxy.open(way, "ok.test") as session:
                    for _ in range(20):
                        count += 1
                        session.send(raw)
                        status = session.read_answer("GET").status
                        if status != 200:
                            self.failures.append((way, status))
        except BaseException as error:
            self.failures.append((way, error))
        self.counts.append(count)


async def test_a_websocket_goes_on_and_the_next_one_is_judged_anew(proxy: RunningProxy) -> None:
    async with websocket(proxy, Way.CONNECT_TLS) as connection:
        await asyncio.to_thread(reload_with, proxy, **ONLY_RULES)
        await connection.send("still there")
        assert await connection.recv() == "still there"
        status = (await asyncio.to_thread(call, proxy, "GET", "/v1/status")).json

    assert status["generations_closing"] == 1
    assert (await asyncio.to_thread(proxy.ask, Way.CONNECT_TLS)).status == 403


def test_streams_of_one_http2_connection_are_judged_one_by_one(proxy: RunningProxy) -> None:
    host, port = proxy.addresses["tunnel"]
    url = f"https://{proxy.authority(Way.CONNECT_TLS, 'ok.test')}/"
    with httpx.Client(http2=True, verify=proxy.ca.client_context(), proxy=f"http://{host}:{port}") as client:
        answers = []
        for changes in ({}, ONLY_RULES, {}):
            reload_with(proxy, **changes)
            answers.append(client.get(url))
    proxy.started += 4

    assert [answer.http_version for answer in answers] == ["HTTP/2"] * 3
    assert [answer.status_code for answer in answers] == [200, 403, 200]
    proxy.settle()


def test_a_client_that_is_no_longer_configured_is_unknown_in_its_tunnel_too(proxy: RunningProxy) -> None:
    client = {"clients": [{"name": "ci", "cidrs": ["127.0.0.0/8"]}], "proxy__require_client": True}
    others = {"clients": [{"name": "other", "cidrs": ["192.0.2.0/24"]}], "proxy__require_client": True}
    raw = request("/", proxy.authority(Way.CONNECT_TLS, "ok.test"))
    reload_with(proxy, **client)
    with proxy.open(Way.CONNECT_TLS, "ok.test") as session:
        statuses = []
        for changes in (client, others):
            reload_with(proxy, **changes)
            proxy.started += 1
            session.send(raw)
            statuses.append(session.read_answer("GET").status)

    assert statuses == [200, 403]


def test_200_reloads_under_load_lose_nothing(proxy: RunningProxy) -> None:
    statuses = set()
    with Load(proxy) as load:
        for number in range(200):
            rewrite(proxy, proxy__upstream_response_header_timeout=f"{2000 + number}ms")
            statuses.add(reload(proxy).status)

    assert load.failures == []
    assert statuses == {200}
    status = call(proxy, "GET", "/v1/status").json
    assert (status["generation"], status["generations_closing"]) == (201, 0)
    proxy.settle()
    records = proxy.records()
    assert len(records) == proxy.started > 200
    assert len({line["request_id"] for line in records}) == proxy.started
    assert len({line["generation"] for line in records}) > 50


def test_calls_at_the_same_time_are_all_answered(proxy: RunningProxy) -> None:
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(reload(proxy).status)) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert answers == [200] * 30
    generation = call(proxy, "GET", "/v1/status").json["generation"]
    assert 2 <= generation <= 31
    assert proxy.ask(Way.HTTP).status == 200


def test_the_audit_stream_shows_what_happens(proxy: RunningProxy) -> None:
    with socket.create_connection(proxy.addresses["management"], 10) as sock:
        head = f"GET /v1/audit/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        sock.sendall(head.encode())
        received = b""
        while b"records from here on" not in received:
            received += sock.recv(65536)
        proxy.ask(Way.HTTP, "/seen", host="<script>.test")
        proxy.ask(Way.HTTP, "/seen")
        while received.count(b"/seen") < 2:
            received += sock.recv(65536)
        proxy.ask_to_stop()
        assert proxy.wait_for_exit() == 0  # a watcher holds up no stop

    assert b"text/event-stream" in received
    assert b'"action":"allow"' in received
