"""`tls.mode: sni-only`: programs that trust only the origin reach it through every routing, and a stop ends it."""

import hashlib
import shutil
import signal
import ssl
from time import monotonic

import pytest
from tests.conftest import Fresh, Running
from tests.fakes.internet import Internet
from tests.fakes.passed_through import WAYS, https_origin, open_tls, run_curl
from tests.fakes.recorder import Recorder
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import Way, way_id

pytestmark = pytest.mark.end_to_end
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
def origin(internet: Internet) -> Recorder:
    return https_origin(internet)


@pytest.fixture
def proxy(running: Running, origin: Recorder) -> RunningProxy:
    return running(tls={"mode": "sni-only"})


@needs_curl
@pytest.mark.parametrize("way", WAYS, ids=way_id)
def test_curl_talks_to_the_origin_itself(proxy: RunningProxy, way: Way) -> None:
    done = run_curl(proxy, way, "https://ok.test/")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"ok\n", b"")


@needs_curl
@pytest.mark.parametrize("way", WAYS, ids=way_id)
def test_curl_is_refused_a_host_that_is_not_allowed(proxy: RunningProxy, way: Way) -> None:
    done = run_curl(proxy, way, "https://other.test/")
    if way.is_tunnel:
        proxy.started -= 1                        # the opening was refused already

    assert done.returncode != 0
    if not way.is_tunnel:
        assert b"alert" in done.stderr
    assert proxy.last_record()["action"] == "reject"


@needs_curl
@pytest.mark.parametrize("way", WAYS, ids=way_id)
def test_a_download_and_an_upload_arrive_whole(proxy: RunningProxy, way: Way) -> None:
    size = 8 << 20
    down = run_curl(proxy, way, f"https://ok.test/big/{size}")
    content = b"u" * size
    with open_tls(proxy, way, "ok.test") as session:
        session.send(request("/upload", "ok.test", method="POST", headers="Connection: close\r\n", body=content))
        up = session.read_answer("POST")

    assert down.stdout == b"x" * size
    assert up.body == f"{size} {hashlib.sha256(content).hexdigest()}".encode()


@pytest.mark.parametrize("way", WAYS, ids=way_id)
def test_a_client_that_ends_its_direction_still_gets_the_answer(proxy: RunningProxy, way: Way) -> None:
    with open_tls(proxy, way, "ok.test") as session:
        session.send(request("/chunked/300000", "ok.test"))
        session.end()
        answer = session.read_answer()

    assert len(answer.body) == 300_000


def test_many_requests_on_one_connection_are_one_record(proxy: RunningProxy) -> None:
    with open_tls(proxy, Way.CONNECT_TLS, "ok.test") as session:
        for number in range(20):
            session.send(request(f"/{number}", "ok.test"))
            assert session.read_answer().status == 200

    assert [record["method"] for record in proxy.new_records()] == ["CONNECT", ""]


@pytest.mark.slow
def test_a_stop_ends_a_quiet_connection_within_two_seconds(fresh_proxy: Fresh, origin: Recorder) -> None:
    proxy = fresh_proxy(tls={"mode": "sni-only"})
    sessions = [open_tls(proxy, way, "ok.test") for way in WAYS]
    for session in sessions:
        session.send(request("/", "ok.test"))
        assert session.read_answer().status == 200
    started = monotonic()

    proxy.process.send_signal(signal.SIGTERM)

    assert proxy.wait_for_exit() == 0
    assert monotonic() - started < 2.0
    assert len(proxy.records()) == proxy.started
    assert {record["action"] for record in proxy.records()} == {"allow"}


@pytest.mark.slow
def test_a_stop_lets_what_is_under_way_go_on(fresh_proxy: Fresh, origin: Recorder) -> None:
    proxy = fresh_proxy(tls={"mode": "sni-only"})
    with open_tls(proxy, Way.HTTPS, "ok.test") as session:
        session.send(request("/sse", "ok.test"))
        while b"data: 0" not in session.received:
            assert session.read()
        proxy.process.send_signal(signal.SIGTERM)
        while b"0\r\n\r\n" not in session.received:
            assert session.read()

    assert proxy.wait_for_exit() == 0


def test_the_certificate_is_the_origins_and_no_ca_is_configured(proxy: RunningProxy) -> None:
    with open_tls(proxy, Way.HTTPS, "ok.test") as session:
        assert isinstance(session.sock, ssl.SSLSocket)
        certificate = session.sock.getpeercert()

    assert certificate is not None
    assert ("DNS", "ok.test") in certificate["subjectAltName"]
