"""HTTP/2 connections: which version is chosen, which are shared, how many streams they carry, and how they end."""

import ssl
import threading
from collections.abc import Iterator

import pytest
from tests.conftest import Fresh, Running
from tests.end_to_end.version_lanes import http1_request
from tests.fakes.http2_frames import Code, Setting
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.http2_peer import Http2Peer, Http2Wire, open_with_alpn, speak
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import TLS_WAYS, Way, way_id

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def origin(internet: Internet, proxy: RunningProxy) -> Iterator[Http2Origin]:
    """One of the test's own: it counts connections."""
    with serving(internet, "ok.test") as running:
        yield running
        assert running.violations == []


# --- which version ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(("h2",), "h2"), (("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), ((), None)],
)
def test_a_client_gets_what_it_offers(
    proxy: RunningProxy, way: Way, offered: tuple[str, ...], chosen: str | None
) -> None:
    session, agreed = open_with_alpn(proxy, way, "ok.test", proxy.internet.tls_port, offered)

    assert agreed == chosen
    session.close()


def test_a_client_that_offers_something_else_only_is_not_spoken_to_in_http2(proxy: RunningProxy) -> None:
    try:
        session, agreed = open_with_alpn(proxy, Way.HTTPS, "ok.test", proxy.internet.tls_port, ("acme-tls/1",))
    except ssl.SSLError:
        return

    assert agreed is None
    session.close()


@pytest.mark.parametrize("alpn", [("http/1.1",), ()], ids=["chooses HTTP/1.1", "does not choose"])
def test_an_upstream_without_http2_is_spoken_to_in_http1(
    proxy: RunningProxy, internet: Internet, alpn: tuple[str, ...]
) -> None:
    context = internet.server_context("ok.test")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    recorder = internet.add_recorder(ALLOWED, context)

    with speak(proxy, port=recorder.port) as peer:
        proxy.started += 2
        answers = [peer.ask("/first"), peer.ask("/second")]

    assert [answer.status for answer in answers] == [200, 200]
    assert [request.request_line for request in recorder.requests] == [b"GET /first HTTP/1.1", b"GET /second HTTP/1.1"]


@pytest.mark.parametrize(
    ("setting", "to_clients", "to_upstreams"),
    [("both", "h2", 2), ("clients", "h2", 1), ("upstreams", "http/1.1", 2), ("off", "http/1.1", 1)],
)
def test_http2_is_spoken_on_the_sides_that_the_configuration_names(
    running: Running, internet: Internet, setting: str, to_clients: str, to_upstreams: int
) -> None:
    proxy = running(proxy__http2=setting)
    context = internet.server_context("ok.test")
    context.set_alpn_protocols(["http/1.1"])
    recorder = internet.add_recorder(ALLOWED, context)
    with serving(internet, "ok.test") as origin:
        port = origin.port if to_upstreams == 2 else recorder.port
        session, chosen = open_with_alpn(proxy, Way.HTTPS, "ok.test", port, ("h2", "http/1.1"))
        proxy.started += 1
        if to_clients == "h2":
            status = Http2Peer(session, f"ok.test:{port}").ask("/").status
        else:
            session.send(http1_request("/", b"ok.test:%d" % port, "GET", [], None, sized=True, trailers=[]))
            status = session.read_answer().status

    assert (chosen, status) == (to_clients, 200)
    assert (len(origin.requests), len(recorder.requests)) == ((1, 0) if to_upstreams == 2 else (0, 1))


def test_settings_offer_neither_push_nor_extended_connect(proxy: RunningProxy) -> None:
    session, _ = open_with_alpn(proxy, Way.HTTPS, "ok.test", proxy.internet.tls_port, ("h2",))
    with Http2Wire(session) as wire:
        wire.until(lambda: bool(wire.settings))

        assert wire.settings.get(Setting.ENABLE_PUSH, 0) == 0
        assert wire.settings.get(Setting.ENABLE_CONNECT_PROTOCOL, 0) == 0
        assert 1 <= wire.settings[Setting.MAX_CONCURRENT_STREAMS] <= 1000
        assert wire.settings.get(Setting.MAX_FRAME_SIZE, 16_384) <= 1 << 20
        assert Setting.MAX_HEADER_LIST_SIZE in wire.settings


# --- shared connections -----------------------------------------------------------------------------------------------


def test_clients_share_one_connection_to_an_origin(proxy: RunningProxy, origin: Http2Origin) -> None:
    peers = [speak(proxy, way, port=origin.port) for way in TLS_WAYS * 2]
    streams = [(peer, peer.begin(f"/page?{number}")) for number in range(5) for peer in peers]
    proxy.started += len(streams)

    answers = [peer.answer(stream) for peer, stream in streams]

    assert {answer.status for answer in answers} == {200}
    assert origin.accepted == 1


def test_an_upstream_gets_no_more_streams_than_it_allows(proxy: RunningProxy, internet: Internet) -> None:
    with serving(internet, "ok.test", settings={Setting.MAX_CONCURRENT_STREAMS: 2}) as origin:
        with speak(proxy, port=origin.port) as peer:
            proxy.started += 11
            peer.ask("/")
            streams = [peer.begin("/hold/limited") for _ in range(10)]
            origin.wait_for("/hold/limited")
            origin.release("limited")
            answers = [peer.answer(stream) for stream in streams]

        assert [answer.body for answer in answers] == [b"first-last"] * 10
        assert origin.most_open <= 2
        assert origin.violations == []


def test_more_streams_than_we_allow_are_refused_one_by_one(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        peer.until(lambda: peer.h2.remote_settings.max_concurrent_streams < 1000)
        allowed = peer.h2.remote_settings.max_concurrent_streams
        streams = [peer.begin(f"/hold/many?{number}") for number in range(allowed)]
        proxy.started += allowed
        peer.h2.remote_settings.max_concurrent_streams = allowed + 10
        peer.h2.remote_settings.acknowledge()
        surplus = peer.begin("/surplus")
        refused = peer.answer(surplus)
        origin.release("many")
        answers = [peer.answer(stream) for stream in streams]

    assert refused.reset == Code.REFUSED_STREAM
    assert {answer.body for answer in answers} == {b"first-last"}
    assert not [each for each in origin.requests if each.path == "/surplus"]


def test_a_refused_stream_is_tried_again(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 1
        answer = peer.ask("/refuse-first")

    assert (answer.status, answer.body) == (200, b"ok\n")
    assert [each.path for each in origin.requests] == ["/refuse-first"] * 2


def test_a_stream_that_goaway_disowns_is_tried_on_another_connection(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 2
        peer.ask("/")
        answer = peer.ask("/goaway-first")

    assert (answer.status, answer.body) == (200, b"ok\n")
    assert origin.accepted == 2


def test_goaway_lets_open_streams_finish_and_new_ones_go_elsewhere(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 3
        held = peer.begin("/hold/leaving")
        peer.until(lambda: peer.answers[held].size == 5)
        leaving = peer.ask("/goaway")
        elsewhere = peer.ask("/")
        origin.release("leaving")
        finished = peer.answer(held)

    assert [leaving.body, elsewhere.body, finished.body] == [b"bye", b"ok\n", b"first-last"]
    assert [each.connection for each in origin.requests] == [0, 0, 1]


def test_an_idle_connection_that_the_upstream_closed_costs_nobody_a_request(
    proxy: RunningProxy, origin: Http2Origin
) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 2
        peer.ask("/")
        loop = proxy.internet.background.loop
        loop.call_soon_threadsafe(origin.connections[0].writer.close)
        origin.wait_until(lambda: origin.connections[0].has_ended)
        answer = peer.ask("/")

    assert answer.status == 200
    assert origin.accepted == 2


def test_http1_clients_reach_an_origin_that_speaks_http2_only(proxy: RunningProxy, origin: Http2Origin) -> None:
    raw = http1_request("/", b"ok.test:%d" % origin.port, "GET", [], None, sized=True, trailers=[])
    with proxy.open(Way.HTTPS, "ok.test", origin.port) as session:
        proxy.started += 2
        answers = []
        for _ in range(2):
            session.send(raw)
            answers.append(session.read_answer())

    assert [answer.body for answer in answers] == [b"ok\n"] * 2
    assert origin.accepted == 1


def test_versions_can_be_mixed_by_many_at_once(proxy: RunningProxy, origin: Http2Origin) -> None:
    raw = http1_request("/", b"ok.test:%d" % origin.port, "GET", [], None, sized=True, trailers=[])
    statuses: list[int] = []

    def ask_in_http1() -> None:
        with proxy.open(Way.HTTPS, "ok.test", origin.port) as session:
            session.send(raw)
            statuses.append(session.read_answer().status)

    def ask_in_http2() -> None:
        with speak(proxy, port=origin.port) as peer:
            statuses.append(peer.ask("/").status)

    threads = [threading.Thread(target=target) for target in (ask_in_http1, ask_in_http2) * 8]
    proxy.started += len(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 16


# --- leaving ----------------------------------------------------------------------------------------------------------


def test_a_client_that_goes_away_gets_what_it_asked_for(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 1
        held = peer.begin("/hold/client-leaves")
        peer.until(lambda: peer.answers[held].size == 5)
        peer.session.send(b"\x00\x00\x08\x07\x00" + bytes(12))  # GOAWAY; h2 itself would then read nothing more
        origin.release("client-leaves")

        assert peer.answer(held).body == b"first-last"


def test_a_proxy_that_stops_says_so_and_finishes(fresh_proxy: Fresh, internet: Internet) -> None:
    proxy = fresh_proxy()
    with serving(internet, "ok.test") as origin, speak(proxy, port=origin.port) as peer:
        held = peer.begin("/hold/stopping")
        peer.until(lambda: peer.answers[held].size == 5)
        proxy.process.terminate()
        peer.session.sock.settimeout(5)
        while peer.went_away is None and not peer.has_ended:
            peer.receive()
        origin.release("stopping")
        peer.until(lambda: peer.answers[held].has_ended)

        assert peer.went_away == Code.NO_ERROR
        assert peer.answers[held].finish().body == b"first-last"
    assert proxy.wait_for_exit() == 0
    assert [record["action"] for record in proxy.records()] == ["allow"]
