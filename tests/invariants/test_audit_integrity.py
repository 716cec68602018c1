"""Every request leaves exactly one record, also when its handler is cancelled, its client gone, its proxy stopped."""

import signal

import pytest
from tests.conftest import Fresh
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, Way, way_id


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("cut", [1, 10, 40, 70, 90])
def test_a_connection_that_breaks_anywhere_in_a_request_leaves_one_record(
    proxy: RunningProxy, way: Way, cut: int
) -> None:
    raw = request("/upload", proxy.authority(way, "ok.test"), method="POST", body=b"x" * 50)
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(raw[: len(raw) * cut // 100 + 1])
        session.end()
        session.read_to_end()

    assert proxy.last_record()["action"] in ("client_cancel", "reject")


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_handler_that_is_cancelled_leaves_one_record(proxy: RunningProxy, way: Way) -> None:
    sessions = [proxy.open(way, "ok.test") for _ in range(5)]
    for number, session in enumerate(sessions):
        proxy.started += 1
        session.send(request(f"/slow/{number}", proxy.authority(way, "ok.test")))
        proxy.wait_for_arrival(way, f"/slow/{number}")
    for session in sessions:
        session.reset()

    actions = [record["action"] for record in proxy.new_records() if record["method"] == "GET"]
    assert actions == ["client_cancel"] * 5


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_client_that_breaks_off_in_the_middle_of_an_answer_leaves_one_record(proxy: RunningProxy, way: Way) -> None:
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/big/50000000", proxy.authority(way, "ok.test")))
        session.read_exactly(100_000)
        session.reset()

    assert proxy.last_record()["action"] == "client_cancel"


def test_a_proxy_that_is_stopped_records_everything_in_flight(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy()
    for number in range(20):
        for way in ALL_WAYS:
            session = proxy.open(way, "ok.test")
            proxy.started += 1
            session.send(request(f"/slow/{way.name}/{number}", proxy.authority(way, "ok.test")))
    for way in ALL_WAYS:
        proxy.wait_for_arrival(way, f"/slow/{way.name}/19")

    proxy.process.send_signal(signal.SIGTERM)
    proxy.wait_for(lambda line: line["msg"] == "received signal, shutting down")
    proxy.process.send_signal(signal.SIGTERM)

    assert proxy.wait_for_exit() == 0
    assert len(proxy.records()) == proxy.started


def test_the_mixture_of_all_outcomes_adds_up(proxy: RunningProxy) -> None:
    for way in ALL_WAYS:
        for host, path in (
            ("ok.test", "/"),
            ("other.test", "/"),
            ("nx.test", "/"),
            ("rules.test", "/no"),
            ("ok.test", "/../"),
        ):
            proxy.ask(way, path, host=host)

    records = proxy.new_records()
    assert {record["action"] for record in records} == {"allow", "reject", "error"}
    # The number is an oracle: one for each request and each tunnel.
