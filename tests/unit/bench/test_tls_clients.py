"""The TLS clients against a real server on loopback."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.certificates import CertificateFiles, make_certificates
from bench.errors import MeasurementFailed
from bench.setting import SMALL_BODY
from bench.tls_clients import Handshakes, get, most_connections, open_connections

REQUEST = get("/small", {"Host": "localhost"})


class Answering(socketserver.ThreadingTCPServer):
    """Answers one request for each connection, then waits for its end; hangs up at once when told to."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, files: CertificateFiles) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(files.leaf, files.leaf_key)
        self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.names: list[str | None] = []
        self.body = SMALL_BODY
        self.hangs_up = False
        self.has_hung_up = threading.Event()


class Conversation(socketserver.BaseRequestHandler):
    server: Answering

    def handle(self) -> None:
        try:
            with self.server.context.wrap_socket(self.request, server_side=True) as sock:
                if sock.recv(4096):
                    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + self.server.body)
                if not self.server.hangs_up:
                    sock.recv(1)
        except OSError:
            pass  # the client is gone: most of these tests end that way
        self.server.has_hung_up.set()


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return make_certificates(tmp_path, "localhost", "*.leaf.bench.test")


@pytest.fixture
def server(files: CertificateFiles) -> Iterator[Answering]:
    with Answering(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_connections_stay_open_and_silent(server: Answering, files: CertificateFiles) -> None:
    port = server.server_address[1]

    with open_connections(port, files.ca, REQUEST, 3, None) as clients:
        clients.check_open()
        assert len(clients.sockets) == 3

    assert all(sock.fileno() == -1 for sock in clients.sockets)


def test_a_connection_that_the_proxy_has_closed_is_a_failure(server: Answering, files: CertificateFiles) -> None:
    server.hangs_up = True

    with open_connections(server.server_address[1], files.ca, REQUEST, 1, None) as clients:
        assert server.has_hung_up.wait(20)
        with pytest.raises(MeasurementFailed, match="1 of 1 idle connections were closed meanwhile"):
            clients.check_open()


def test_another_answer_is_a_failure(server: Answering, files: CertificateFiles) -> None:
    server.body, server.hangs_up = b"forbidden", True

    opening = open_connections(server.server_address[1], files.ca, REQUEST, 2, None)

    with pytest.raises(MeasurementFailed, match=r"connection 1 of 2: .*forbidden"), opening:
        pass


def test_handshakes_ask_for_each_name(server: Answering, files: CertificateFiles) -> None:
    clients = Handshakes(server.server_address[1], files.ca, None)

    count, _ = clients.run(lambda number: f"n{number}.leaf.bench.test", 3, 60.0)

    assert count == 3
    assert server.names == ["n0.leaf.bench.test", "n1.leaf.bench.test", "n2.leaf.bench.test"]


def test_handshakes_end_with_their_time_and_do_one_at_least(server: Answering, files: CertificateFiles) -> None:
    count, seconds = Handshakes(server.server_address[1], files.ca, None).run(lambda _: "a.leaf.bench.test", 1000, 0.0)

    assert count == 1
    assert seconds > 0


def test_a_certificate_for_another_name_is_a_failure(server: Answering, files: CertificateFiles) -> None:
    with pytest.raises(MeasurementFailed, match=r"handshake for elsewhere\.example: .*elsewhere\.example"):
        Handshakes(server.server_address[1], files.ca, None).run(lambda _: "elsewhere.example", 1, 60.0)


def test_a_request_is_written_whole() -> None:
    assert get("/a", {"Host": "b", "X": "y"}) == b"GET /a HTTP/1.1\r\nHost: b\r\nX: y\r\n\r\n"


def test_descriptors_are_kept_back_for_the_rest_of_the_process() -> None:
    assert most_connections() > 0
