"""Signals: what is in flight is finished, what is idle is closed, what stalls is cut, and all of it is recorded."""

import signal
from time import monotonic

import pytest
from tests.conftest import Fresh
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, Way, way_id

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_response_in_flight_is_finished(fresh_proxy: Fresh, internet: Internet, way: Way) -> None:
    proxy = fresh_proxy()
    origin = internet.allowed_tls if way.is_tls else internet.allowed
    name = f"drain-{way.name}"
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request(f"/hold/{name}", proxy.authority(way, "ok.test")))
        while b"first" not in session.received:
            assert session.read()
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_for(lambda line: line["msg"] == "received signal, shutting down")
        origin.release(name)
        rest = session.read_to_end()

    assert rest == b"-last"
    assert proxy.wait_for_exit() == 0
    assert proxy.records()[-1]["action"] == "allow"
    assert len(proxy.records()) == proxy.started


@pytest.mark.parametrize(("number", "word"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupt")])
def test_an_idle_proxy_ends_at_once(fresh_proxy: Fresh, number: signal.Signals, word: str) -> None:
    proxy = fresh_proxy()
    idle = [proxy.open(way, "ok.test") for way in ALL_WAYS]
    idle += [proxy.raw(listener) for listener in ("http", "https", "tunnel")]
    idle.append(proxy.raw("tunnel"))
    idle[-1].send(b"\x05")
    proxy.ask(Way.HTTP)
    started = monotonic()

    proxy.process.send_signal(number)

    assert proxy.wait_for_exit() == 0
    assert monotonic() - started < 2.0
    assert all(session.is_closed() for session in idle)
    lines = proxy.parsed()
    assert [line["signal"] for line in lines if line["msg"] == "received signal, shutting down"] == [word]
    assert lines[-1]["msg"] == "iron-proxy stopped"


def test_no_new_connection_is_taken_while_draining(fresh_proxy: Fresh, internet: Internet) -> None:
    proxy = fresh_proxy()
    with proxy.open(Way.HTTP, "ok.test") as session:
        proxy.started += 1
        session.send(request("/hold/new", proxy.authority(Way.HTTP, "ok.test")))
        proxy.wait_for_arrival(Way.HTTP, "/hold/new")
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_for(lambda line: line["msg"] == "received signal, shutting down")
        with pytest.raises(ConnectionError):
            _connect_until_refused(proxy)
        internet.allowed.release("new")
        session.read_to_end()

    assert proxy.wait_for_exit() == 0


def _connect_until_refused(proxy: RunningProxy) -> None:
    while True:
        proxy.raw("http").close()


def test_a_second_signal_cuts_what_is_left_and_records_it(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy(proxy__upstream_response_header_timeout="60s")
    waiting = [proxy.open(way, "ok.test") for way in ALL_WAYS]
    for session, way in zip(waiting, ALL_WAYS, strict=True):
        proxy.started += 1
        session.send(request(f"/slow/{way.name}", proxy.authority(way, "ok.test")))
        proxy.wait_for_arrival(way, f"/slow/{way.name}")
    started = monotonic()

    proxy.process.send_signal(signal.SIGTERM)
    proxy.wait_for(lambda line: line["msg"] == "received signal, shutting down")
    proxy.process.send_signal(signal.SIGINT)

    assert proxy.wait_for_exit() == 0
    assert monotonic() - started < 3.0
    assert len(proxy.records()) == proxy.started
    cut = [record for record in proxy.records() if record["method"] == "GET"]
    assert {record["action"] for record in cut} == {"error"}


@pytest.mark.slow
def test_what_stalls_is_cut_after_ten_seconds(fresh_proxy: Fresh, internet: Internet) -> None:
    proxy = fresh_proxy(proxy__upstream_response_header_timeout="60s")
    session = proxy.open(Way.CONNECT_TLS, "ok.test")
    proxy.started += 1
    session.send(request("/slow/stall", proxy.authority(Way.CONNECT_TLS, "ok.test")))
    proxy.wait_for_arrival(Way.CONNECT_TLS, "/slow/stall")
    started = monotonic()

    proxy.process.send_signal(signal.SIGTERM)

    assert proxy.wait_for_exit(12) == 0
    assert 9.5 < monotonic() - started < 11.5
    assert len(proxy.records()) == proxy.started
