import http.client
import ssl
from collections.abc import Iterator

import pytest

from iron_proxy.demo.origin import Origin
from iron_proxy.demo.routes import connect_to_address
from iron_proxy.demo.scene import Scene
from iron_proxy.demo.websocket_frame import CLOSE, TEXT, read_frame, serialize_frame

MASK = b"mask"


class Directly:
    """A client of the origin, with no proxy between."""

    def __init__(self, origin: Origin, scene: Scene) -> None:
        self.origin = origin
        self._context = ssl.create_default_context(cafile=scene.origin_ca)

    def connect(self, host: str) -> ssl.SSLSocket:
        return self._context.wrap_socket(connect_to_address("127.0.0.1", self.origin.port), server_hostname=host)

    def get(self, target: str, fields: str = "") -> tuple[ssl.SSLSocket, http.client.HTTPResponse]:
        sock = self.connect("httpbin.org")
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: httpbin.org\r\n{fields}\r\n".encode())
        response = http.client.HTTPResponse(sock, method="GET")
        response.begin()
        return sock, response


@pytest.fixture
def directly() -> Iterator[Directly]:
    with Scene() as scene, Origin(scene.origin_contexts(["httpbin.org", "example.com"])) as origin:
        yield Directly(origin, scene)


def test_a_request_is_answered_and_written_down(directly: Directly) -> None:
    sock, response = directly.get("/get?q=1", "X-Internal: tok\r\n")
    with sock, response:
        assert (response.status, response.read()) == (200, b'{"ok": true}')

    (view,) = directly.origin.take_requests()
    assert (view.method, view.target, view.header("X-Internal")) == ("GET", "/get?q=1", "tok")
    assert directly.origin.take_requests() == []


def test_credentials_go_back_where_they_are_asked_for(directly: Directly) -> None:
    sock, response = directly.get(
        "/headers?t=canary", "Authorization: Bearer k\r\nX-Internal: i\r\nX-Other: canary\r\n"
    )
    with sock, response:
        assert response.read() == b'{"Authorization": "Bearer k", "X-Internal": "i"}'


def test_nothing_of_any_other_request_goes_back(directly: Directly) -> None:
    sock, response = directly.get("/get?t=canary", "Authorization: canary\r\n")
    with sock, response:
        seen = f"{response.headers}{response.read()!r}"

    assert "canary" not in seen


def test_events_wait_for_one_another(directly: Directly) -> None:
    sock, response = directly.get("/sse")
    with sock, response:
        assert [response.readline(), response.readline()] == [b"data: one\n", b"\n"]
        directly.origin.release_event()
        assert [response.readline(), response.readline()] == [b"data: two\n", b"\n"]
        directly.origin.release_event()
        assert response.read() == b"data: three\n\n"


def test_events_that_nobody_reads_are_not_sent(directly: Directly, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iron_proxy.demo.origin.EVENT_PATIENCE", 0.01)

    sock, response = directly.get("/sse")
    with sock, response:
        assert response.read() == b"data: one\n\n"


def test_a_websocket_message_is_echoed_and_written_down(directly: Directly) -> None:
    fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    sock, response = directly.get("/ws", fields)
    with sock, response:
        # The key and its answer are those of RFC 6455 section 1.3.
        assert (response.status, response.getheader("Sec-WebSocket-Accept")) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        sock.sendall(serialize_frame(TEXT, b"hello", MASK))
        assert read_frame(response.fp) == (TEXT, b"hello")
        sock.sendall(serialize_frame(CLOSE, b"", MASK))
        assert read_frame(response.fp) == (CLOSE, b"")

    (view,) = directly.origin.take_requests()
    assert view.messages == ["hello"]


def test_each_host_has_a_certificate_of_its_own(directly: Directly) -> None:
    with directly.connect("example.com") as sock:
        assert sock.getpeercert()["subjectAltName"] == (("DNS", "example.com"),)  # type: ignore[index]  # it has one


def test_a_host_that_is_not_there_gets_an_alert(directly: Directly) -> None:
    with pytest.raises(ssl.SSLError, match="unrecognized name"):
        directly.connect("elsewhere.test")
