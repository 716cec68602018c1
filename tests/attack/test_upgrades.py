"""WS: an upgrade is relayed only behind a verified 101; anything else is an ordinary answer."""

import pytest
from tests.conftest import Running
from tests.fakes.half_closing_origin import HalfClosingOrigin
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.recorder import RawReply, Then, accept_of
from tests.fakes.running_proxy import SECRETS, RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, TLS_WAYS, Way, way_id

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


def answer_with(internet: Internet, content: bytes) -> None:
    for recorder in (internet.allowed, internet.allowed_tls):
        recorder.raw_replies["ws"] = RawReply(content, Then.KEEP)


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_ws_01_a_refused_upgrade_leaves_no_pipe_for_other_requests(
    proxy: RunningProxy, internet: Internet, way: Way
) -> None:
    answer_with(internet, b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
    host = proxy.authority(way, "ok.test")

    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/raw/ws", host, headers=UPGRADE))
        answer = session.read_answer()
        session.send(request("/admin", host, method="POST"))
        rest = session.read_to_end()

    assert (answer.status, rest) == (426, b"")
    assert [seen.path for seen in proxy.arrived()] == ["/raw/ws"]
    assert proxy.last_record()["status_code"] == 426


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(SWITCH + b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n", id="wrong accept"),
        pytest.param(SWITCH + b"\r\n", id="no accept"),
        pytest.param(
            b"HTTP/1.1 101 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept_of(KEY.encode()) + b"\r\n\r\n",
            id="another protocol",
        ),
        pytest.param(
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept_of(KEY.encode()) + b"\r\n\r\n",
            id="no Connection",
        ),
    ],
)  # fmt: skip
def test_a_101_that_proves_nothing_opens_nothing(
    proxy: RunningProxy, internet: Internet, way: Way, content: bytes
) -> None:
    answer_with(internet, content)

    answer = proxy.ask(way, "/raw/ws", headers=UPGRADE)

    assert answer.status == 502
    assert proxy.last_record()["action"] == "error"


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_the_101_comes_in_one_piece_and_bytes_flow_both_ways(proxy: RunningProxy, way: Way) -> None:
    host = proxy.authority(way, "ok.test")
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/ws", host, headers=UPGRADE) + b"early")
        head = session.read()
        if not head.endswith(b"early"):
            head += session.read_exactly(5)
        session.send(b"\x81\x05hello" * 1000)
        echoed = session.read_exactly(7 * 1000)

    assert head == SWITCH.replace(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"") + (
        b"Sec-WebSocket-Accept: "
        + accept_of(KEY.encode())
        + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly"
    )
    assert echoed == b"\x81\x05hello" * 1000
    record = proxy.last_record()
    assert (record["action"], record["status_code"]) == ("allow", 101)


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_ws_06_an_upgrade_that_cannot_be_dialled_is_a_502(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way, "/ws", host="nx.test", headers=UPGRADE)

    assert answer.status == 502
    record = proxy.last_record()
    assert (record["action"], record["status_code"]) == ("error", 502)


@pytest.mark.every_split
@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_ws_06_an_upgrade_over_tls_that_is_not_trusted_is_a_502(running: Running, internet: Internet, way: Way) -> None:
    other = internet.add_recorder(ALLOWED, internet.server_context("elsewhere.test"))
    proxy = running()

    with proxy.open(way, "ok.test", other.port) as session:
        proxy.started += 1
        session.send(request("/ws", f"ok.test:{other.port}", headers=UPGRADE))
        answer = session.read_answer()

    assert answer.status == 502
    assert other.requests == []


@pytest.mark.every_split
@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_sec_42_a_secret_is_injected_into_the_upgrade_and_into_no_frame(proxy: RunningProxy, way: Way) -> None:
    host = proxy.authority(way, "inject.test")
    with proxy.open(way, "inject.test") as session:
        proxy.started += 1
        session.send(request("/ws", host, headers=UPGRADE))
        session.read()
        session.send(b"proxy-token-rep-0001")
        echoed = session.read_exactly(20)

    assert proxy.arrived()[-1].get_all(b"authorization") == [f"Bearer {SECRETS['SEC_INJ']}".encode()]
    assert echoed == b"proxy-token-rep-0001"


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_an_upgrade_to_a_host_that_is_not_allowed_is_refused(proxy: RunningProxy, way: Way) -> None:
    assert proxy.ask(way, "/ws", host="other.test", headers=UPGRADE).status == 403


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize(
    "headers",
    [
        UPGRADE.replace("Version: 13", "Version: 8"),
        UPGRADE.replace(KEY, "short"),
        UPGRADE + f"Sec-WebSocket-Key: {KEY}\r\n",
    ],
    ids=["another version", "a malformed key", "two keys"],
)
def test_a_malformed_upgrade_is_refused(proxy: RunningProxy, way: Way, headers: str) -> None:
    assert proxy.ask(way, "/ws", headers=headers).status == 400
    assert proxy.arrived() == []


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_h2c_is_not_offered_to_the_upstream(proxy: RunningProxy, way: Way) -> None:
    headers = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"

    answer = proxy.ask(way, headers=headers)

    assert answer.status == 200
    assert proxy.arrived()[-1].names() == [b"host"]


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_half_close_is_passed_on_and_what_is_left_still_comes(
    proxy: RunningProxy, internet: Internet, way: Way
) -> None:
    content = b"\x82\x7f\0\0\0\0\0\x04\0\0" + b"x" * (1 << 18)
    context = internet.server_context("ok.test") if way.is_tls else None
    with HalfClosingOrigin(ALLOWED, context) as origin, proxy.open(way, "ok.test", origin.port) as session:
        proxy.started += 1
        session.send(request("/", f"ok.test:{origin.port}", headers=UPGRADE))
        head = session.read()
        session.send(content)
        session.end()
        answer = session.read_to_end()

    assert head.endswith(b"\r\n\r\n")
    assert answer == content
    assert proxy.last_record()["status_code"] == 101


# --- other protocols ------------------------------------------------------------------------------------------------

EXEC = "Upgrade: tcp\r\nConnection: Upgrade\r\nContent-Type: application/json\r\n"
BODY = b'{"Detach": false, "Tty": false}'
TCP_SWITCH = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("protocol", ["tcp", "SPDY/3.1", "websocket, tcp", "tcp, h2c"])
def test_an_upgrade_that_is_not_allowed_is_refused_with_a_reason(
    proxy: RunningProxy, way: Way, protocol: str
) -> None:
    headers = f"Upgrade: {protocol}\r\nConnection: Upgrade\r\n"

    answer = proxy.ask(way, "/exec", method="POST", headers=headers)

    assert (answer.status, proxy.arrived()) == (501, [])
    assert answer.body == b"an upgrade to this protocol is not allowed (proxy.upgrades)\n"
    assert proxy.last_record()["action"] == "reject"


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_an_upgrade_that_connection_does_not_name_is_none(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way, headers="Upgrade: tcp\r\n")

    assert (answer.status, proxy.arrived()[-1].names()) == (200, [b"host"])


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_an_upgrade_that_is_allowed_is_relayed_behind_its_101(running: Running, internet: Internet, way: Way) -> None:
    proxy = running(proxy__upgrades=["websocket", "tcp"])
    answer_with(internet, TCP_SWITCH + b"Upgrade: tcp\r\n\r\nstdout")
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        host = proxy.authority(way, "ok.test")
        session.send(request("/raw/ws", host, method="POST", headers=EXEC, body=BODY))
        head = session.read_exactly(len(TCP_SWITCH + b"Upgrade: tcp\r\n\r\nstdout"))
        session.send(request("/not-http-any-more", host))
        seen = proxy.wait_for_arrival(way, "/not-http-any-more")

    assert head == TCP_SWITCH + b"Upgrade: tcp\r\n\r\nstdout"
    assert seen.request_line == b"GET /not-http-any-more HTTP/1.1"
    assert proxy.arrived()[0].body == BODY
    assert [record["status_code"] for record in proxy.new_records() if record["method"] == "POST"] == [101]


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("line", [b"Upgrade: websocket\r\n", b"Upgrade: h2c\r\n", b""], ids=["other", "h2c", "none"])
def test_a_101_for_another_protocol_opens_nothing(
    running: Running, internet: Internet, way: Way, line: bytes
) -> None:
    proxy = running(proxy__upgrades=["websocket", "tcp"])
    answer_with(internet, TCP_SWITCH + line + b"\r\n")

    answer = proxy.ask(way, "/raw/ws", method="POST", headers=EXEC)

    assert answer.status == 502
    assert proxy.last_record()["action"] == "error"


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_refused_upgrade_to_another_protocol_leaves_no_pipe(running: Running, internet: Internet, way: Way) -> None:
    proxy = running(proxy__upgrades=["websocket", "tcp"])
    answer_with(internet, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/raw/ws", proxy.authority(way, "ok.test"), method="POST", headers=EXEC))
        answer = session.read_answer("POST")
        session.send(request("/admin", proxy.authority(way, "ok.test"), method="POST"))

        assert (answer.status, session.read_to_end()) == (200, b"")
    assert [seen.path for seen in proxy.arrived()] == ["/raw/ws"]
