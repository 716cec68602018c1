"""A configuration's CA and listeners, looked at."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import pytest
import trustme

from iron_proxy.certs.generation import generate_ca
from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import Config, DNSConfig, MetricsConfig, ProxyConfig, TLSConfig
from iron_proxy.doctor import checks
from iron_proxy.doctor.checks import Check, check_configuration

OFF = Config(
    dns=DNSConfig(enabled=False),
    proxy=ProxyConfig(http_listen=None, https_listen=None),
    metrics=MetricsConfig(listen=None),
)


def address(port: int) -> ListenAddress:
    return ListenAddress.parse(f"127.0.0.1:{port}")


def with_ca(folder: Path, hours: int = 24 * 365) -> Config:
    ca = generate_ca("test", hours, "p256")
    (folder / "ca.crt").write_bytes(ca.certificate_pem)
    (folder / "ca.key").write_bytes(ca.key_pem)
    return replace(OFF, tls=TLSConfig(ca_cert=str(folder / "ca.crt"), ca_key=str(folder / "ca.key")))


@contextmanager
def answering(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A TCP server for one connection, which answers whatever comes; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    if context is not None:
                        context.wrap_socket(connection, server_side=True).close()
                        return
                    connection.recv(1000)
                    connection.sendall(answer)
                except OSError:
                    pass  # the doctor did not like the certificate

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_without_a_ca_none_is_needed() -> None:
    assert check_configuration(OFF) == [
        Check("CA", True, "none is configured: TLS is passed through, and clients need none")
    ]


def test_a_ca_is_valid_until_a_day(tmp_path: Path) -> None:
    ca, dates = check_configuration(with_ca(tmp_path))

    ends = datetime.now(UTC) + timedelta(days=365)
    assert ca == Check("CA", True, f"{tmp_path / 'ca.crt'} and its key can sign")
    assert dates == Check("CA dates", True, f"{tmp_path / 'ca.crt'} is valid until {ends:%Y-%m-%d}")


@pytest.mark.parametrize(
    ("hours", "left", "passed"),
    [(24 * 365, 15 * 24, True), (24 * 365, 13 * 24 + 1, False), (24, 23, True), (24, 2, False)],
)
def test_one_that_ends_soon_for_its_life_is_no_good(hours: int, left: int, passed: bool, tmp_path: Path) -> None:
    ends = datetime.now(UTC) + timedelta(hours=hours)

    ca, dates = check_configuration(with_ca(tmp_path, hours), ends - timedelta(hours=left))

    assert ca.passed
    assert dates.passed is passed
    days = f"which is {left // 24} days from now; make a new one with: iron-proxy generate-ca"
    assert dates.sentence.endswith(days) is not passed


def test_what_is_wrong_with_a_ca_is_told(tmp_path: Path) -> None:
    config = with_ca(tmp_path)
    (tmp_path / "ca.key").write_bytes(generate_ca("another", 24, "p256").key_pem)

    (check,) = check_configuration(config)

    assert not check.passed
    assert check.sentence.startswith("CA key does not match the CA certificate")


def listener(config: Config) -> Check:
    return check_configuration(config)[-1]


@pytest.mark.parametrize("name", ["http", "tunnel"])
def test_an_http_listener_answers(name: str) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        config = replace(OFF, proxy=replace(OFF.proxy, **{f"{name}_listen": address(port)}))  # type: ignore[arg-type]  # a listener
        assert listener(config) == Check(f"{name} listener", True, f"127.0.0.1:{port}: answers")


def test_something_else_on_the_port_is_told() -> None:
    with answering(b"SSH-2.0-x\r\n") as port:
        check = listener(replace(OFF, proxy=replace(OFF.proxy, http_listen=address(port))))

    assert check.sentence == f"127.0.0.1:{port}: what answers there does not speak HTTP as iron-proxy does"
    assert not check.passed


def test_nobody_on_the_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    check = listener(replace(OFF, proxy=replace(OFF.proxy, http_listen=address(port))))

    assert check == Check("http listener", False, f"127.0.0.1:{port}: nobody listens; start iron-proxy -config FILE")


def test_one_who_listens_and_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ANSWER_LIMIT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        check = listener(replace(OFF, proxy=replace(OFF.proxy, http_listen=address(server.getsockname()[1]))))

    assert not check.passed
    assert "no answer within" in check.sentence


def test_a_port_that_is_chosen_at_every_start_is_not_asked() -> None:
    check = listener(replace(OFF, proxy=replace(OFF.proxy, http_listen=address(0))))

    assert check == Check("http listener", True, "127.0.0.1:0: not asked, for its port is chosen at every start")


@pytest.mark.parametrize(
    ("head", "sentence"),
    [(b"HTTP/1.1 200 OK", "answers"), (b"HTTP/1.1 503 No", "/healthz answered 503"), (b"what?", "BadStatusLine")],
)
def test_the_health_page_is_asked(head: bytes, sentence: str) -> None:
    with answering(head + b"\r\nContent-Length: 0\r\n\r\n") as port:
        check = listener(replace(OFF, metrics=MetricsConfig(listen=address(port))))

    assert check == Check("metrics listener", sentence == "answers", f"127.0.0.1:{port}: {sentence}")


@pytest.mark.parametrize(
    ("is_ours", "sentence"),
    [
        (True, "answers with a certificate of this CA"),
        (False, "answers with a certificate of another CA; start the proxy anew after a new CA"),
    ],
)
def test_the_running_proxy_must_have_this_ca(is_ours: bool, sentence: str, tmp_path: Path) -> None:
    config, authority = with_ca(tmp_path), trustme.CA()
    if is_ours:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))  # its key is another one's: another check's matter
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    with answering(b"", context) as port:
        check = listener(replace(config, proxy=replace(OFF.proxy, https_listen=address(port))))

    assert check == Check("https listener", is_ours, f"127.0.0.1:{port}: {sentence}")


def test_what_does_not_speak_tls_is_told(tmp_path: Path) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        check = listener(replace(with_ca(tmp_path), proxy=replace(OFF.proxy, https_listen=address(port))))

    assert not check.passed
    assert "the TLS handshake failed" in check.sentence


def test_where_tls_is_passed_through_a_connection_is_all_that_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = replace(OFF, proxy=replace(OFF.proxy, https_listen=address(server.getsockname()[1])))
        check = listener(replace(config, tls=TLSConfig(mode="sni-only")))

    assert check.sentence.endswith(": accepts connections")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("right", "answers"),
        ("other", "what answers there answered another question"),
        ("noise", "what answers there does not speak DNS"),
    ],
)
def test_the_dns_listener_is_asked_for_localhost(kind: str, sentence: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def serve() -> None:
            packet, client = server.recvfrom(1000)
            query = dns.message.from_wire(packet)
            if kind == "other":
                query = dns.message.make_query("example.com.", "A")
            server.sendto(b"?" if kind == "noise" else dns.message.make_response(query).to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        check = listener(replace(OFF, dns=DNSConfig(listen=address(port), proxy_ip="127.0.0.1")))
        thread.join()

    assert check == Check("dns listener", kind == "right", f"127.0.0.1:{port}: {sentence}")
