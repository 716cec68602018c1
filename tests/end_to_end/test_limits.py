"""`limits` of the configuration over real sockets: each time ends what it is for, and the streams are those stated."""

from time import monotonic

import pytest
from tests.conftest import Running
from tests.fakes.http2_frames import Setting
from tests.fakes.http2_peer import Http2Wire, open_with_alpn
from tests.fakes.running_proxy import request
from tests.fakes.wire_client import Way

pytestmark = pytest.mark.end_to_end

TIMES = ("tls_handshake", "request_head", "first_byte", "idle", "request_body_idle", "response_body_idle")
SHORT = dict.fromkeys(TIMES, "1s") | {"http2_streams": 7}
# The shortest of the defaults.
DEFAULT = 10.0


def test_each_time_ends_what_it_is_for(running: Running) -> None:
    proxy = running(limits=SHORT)
    host = proxy.authority(Way.HTTP, "ok.test")
    started = monotonic()
    silent, half_shaken = proxy.raw("http"), proxy.raw("https")
    half_shaken.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    kept, pausing, waiting = (proxy.open(Way.HTTP, "ok.test") for _ in range(3))
    kept.send(request("/", host))
    pausing.send(f"POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\nhalf".encode())
    waiting.send(request("/hold/limits", host))
    proxy.started += 3

    assert kept.read_answer().status == 200
    assert kept.is_closed()
    assert silent.is_closed()
    assert half_shaken.is_closed()
    assert pausing.read_answer().status == 408
    cut = waiting.read_answer()
    assert monotonic() - started < DEFAULT
    assert (cut.status, cut.body, cut.is_complete) == (200, b"first", False)
    assert proxy.wait_for_event("handshake")["reason"] == "the client did not send a ClientHello in time"
    proxy.internet.allowed.release("limits")


def test_the_streams_that_there_may_be_are_stated(running: Running) -> None:
    proxy = running(limits=SHORT)
    session, _ = open_with_alpn(proxy, Way.HTTPS, "ok.test", proxy.internet.tls_port, ("h2",))
    with Http2Wire(session) as wire:
        wire.until(lambda: bool(wire.settings))

        assert wire.settings[Setting.MAX_CONCURRENT_STREAMS] == 7
