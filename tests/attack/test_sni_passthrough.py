"""TLS-08: TLS that is passed through is decided on by the name alone, and nothing that nobody enforces is admitted."""

import ssl
from typing import Any

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist
from tests.fakes.internet import Internet
from tests.fakes.passed_through import WAYS, https_origin, open_raw, open_tls, trusting_origins
from tests.fakes.recorder import Recorder
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import Way, way_id
from tests.wire.client_hellos import client_hello, extension, openssl_client_hello, server_name

ENCRYPTED_CLIENT_HELLO = 0xFE0D
SNI_ONLY: dict[str, Any] = {"mode": "sni-only"}


@pytest.fixture
def origin(internet: Internet) -> Recorder:
    return https_origin(internet)


@pytest.fixture
def proxy(running: Running, origin: Recorder) -> RunningProxy:
    return running(tls=SNI_ONLY)


@pytest.mark.parametrize("way", WAYS, ids=way_id)
def test_tls_08_the_client_sees_the_servers_own_certificate(proxy: RunningProxy, way: Way) -> None:
    with open_tls(proxy, way, "ok.test") as session:
        session.send(request("/", "ok.test", headers="Connection: close\r\n"))
        answer = session.read_answer()

    assert answer.body == b"ok\n"
    record = proxy.last_record()
    assert {key: record[key] for key in ("host", "sni", "method", "path", "mode", "action", "status_code")} == {
        "host": "ok.test", "sni": "ok.test", "method": "", "path": "", "mode": "sni-only", "action": "allow",
        "status_code": 200,
    }  # fmt: skip


def check_not_passed(proxy: RunningProxy, origin: Recorder, way: Way, host: str, **options: Any) -> dict[str, Any]:
    """The handshake fails and the origin is not reached; returns the record."""
    accepted = origin.accepted

    with pytest.raises((ssl.SSLError, ConnectionError)):
        open_tls(proxy, way, host, **options)

    assert origin.accepted == accepted
    return proxy.last_record()


def test_tls_08_a_name_that_no_rule_admits_is_closed(proxy: RunningProxy, origin: Recorder) -> None:
    record = check_not_passed(proxy, origin, Way.HTTPS, "other.test")

    assert (record["action"], record["status_code"], record["rejected_by"]) == ("reject", 403, "allowlist")
    assert (record["sni"], record["mode"]) == ("other.test", "sni-only")


@pytest.mark.parametrize("way", WAYS, ids=way_id)
def test_tls_08_without_a_name_it_is_closed(proxy: RunningProxy, origin: Recorder, way: Way) -> None:
    with open_raw(proxy, way, "ok.test") as session:
        proxy.started += 1
        session.send(openssl_client_hello(None))
        assert session.read_to_end() == bytes((21, 3, 3, 0, 2, 2, 112))

    record = proxy.last_record()
    assert (record["action"], record["status_code"], record["reason"]) == ("reject", 400, "client hello missing sni")


def test_tls_08_plain_http_on_that_port_is_told_so(proxy: RunningProxy) -> None:
    with proxy.raw("https") as session:
        session.send(request("/", "ok.test"))
        assert session.read_to_end().startswith(b"HTTP/1.0 400 ")

    assert "HTTP" in proxy.wait_for_event("handshake")["reason"]


def test_garbage_leaves_an_event(proxy: RunningProxy) -> None:
    with proxy.raw("https") as session:
        session.send(b"\x16\x03\x01\x00\x02\x02\x00")
        assert session.is_closed()

    assert proxy.wait_for_event("handshake")["action"] == "reject"


@pytest.mark.parametrize("way", [Way.CONNECT_TLS, Way.SOCKS_TLS], ids=way_id)
def test_tls_08_the_port_is_443_whatever_the_tunnel_said(proxy: RunningProxy, way: Way) -> None:
    with open_tls(proxy, way, "ok.test", 22) as session:
        session.send(request("/", "ok.test", headers="Connection: close\r\n"))
        assert session.read_answer().body == b"ok\n"

    tunnel = proxy.last_record()["tunnel"]
    assert (tunnel["target"], tunnel["port_passed_through"]) == ("ok.test:22", 443)


@pytest.mark.parametrize("way", [Way.CONNECT_TLS, Way.SOCKS_TLS], ids=way_id)
@pytest.mark.parametrize("name", ["other.test", "swap.test"])
def test_the_name_inside_a_tunnel_must_be_the_tunnels(
    proxy: RunningProxy, origin: Recorder, way: Way, name: str
) -> None:
    record = check_not_passed(proxy, origin, way, "ok.test", sni=name)

    assert (record["status_code"], record["reason"]) == (421, "SNI and tunnel target mismatch")


@pytest.mark.parametrize("way", WAYS, ids=way_id)
def test_a_host_whose_rules_bind_methods_and_paths_is_not_passed_through(
    proxy: RunningProxy, origin: Recorder, way: Way
) -> None:
    record = check_not_passed(proxy, origin, way, "rules.test")

    assert (record["status_code"], record["rejected_by"]) == (403, "allowlist")
    assert record["reason"] == "a rule matches the host, but not the method and path"


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        ({"host": "ok.test", "ports": [443]}, True),
        ({"host": "ok.test", "schemes": ["https"]}, True),
        ({"host": "ok.test", "ports": [8443]}, False),
        ({"host": "ok.test", "schemes": ["http"]}, False),
    ],
    ids=["its port", "its scheme", "another port", "another scheme"],
)
def test_rules_on_ports_and_schemes_bind(
    running: Running, origin: Recorder, rule: dict[str, Any], passes: bool
) -> None:
    proxy = running(tls=SNI_ONLY, transforms=[allowlist(domains=[], cidrs=[], rules=[rule])])
    if not passes:
        check_not_passed(proxy, origin, Way.HTTPS, "ok.test")
        return
    with open_tls(proxy, Way.HTTPS, "ok.test") as session:
        session.send(request("/", "ok.test", headers="Connection: close\r\n"))
        assert session.read_answer().status == 200


@pytest.mark.parametrize("host", ["lo.test", "nx.test"])
def test_an_address_that_is_denied_or_missing_is_not_connected_to(
    proxy: RunningProxy, origin: Recorder, host: str
) -> None:
    record = check_not_passed(proxy, origin, Way.HTTPS, host)

    assert (record["action"], record["status_code"]) == ("error", 502)


def test_a_client_hello_in_many_records_and_segments_arrives(proxy: RunningProxy) -> None:
    """OpenSSL at the origin hashes every byte of it: one that was changed would end the handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting_origins(proxy.internet).wrap_bio(incoming, outgoing, server_hostname="ok.test")
    with open_raw(proxy, Way.CONNECT_TLS, "ok.test") as session:
        proxy.started += 1
        is_first = True
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                content = outgoing.read()
                if is_first:
                    content, is_first = in_records_of(content, 50), False
                for start in range(0, len(content), 11):
                    session.send(content[start : start + 11])
                incoming.write(session.read())

    assert client.version() is not None


def in_records_of(content: bytes, size: int) -> bytes:
    """A handshake record as several."""
    fragments = [content[start : start + size] for start in range(5, len(content), size)]
    return b"".join(content[:3] + len(fragment).to_bytes(2) + fragment for fragment in fragments)


def test_an_encrypted_client_hello_is_judged_by_its_outer_name(proxy: RunningProxy, origin: Recorder) -> None:
    """As browsers send it always; whether there is another name inside, nobody can tell."""
    encrypted = extension(ENCRYPTED_CLIENT_HELLO, b"\0" * 40)
    accepted = []
    for name in (b"ok.test", b"other.test"):
        with open_raw(proxy, Way.HTTPS, "") as session:
            proxy.started += 1
            session.send(client_hello(server_name(name), encrypted))
            session.read_to_end()
        proxy.settle()
        accepted.append(origin.accepted)

    assert accepted[1] == accepted[0]
    assert [record["action"] for record in proxy.new_records()] == ["allow", "reject"]


def test_a_host_of_the_passthrough_list_is_passed_through_and_no_other(running: Running, origin: Recorder) -> None:
    ca = running().ca
    tls = {"ca_cert": str(ca.certificate), "ca_key": str(ca.key), "passthrough": ["ok.test"]}
    proxy = running(tls=tls)
    with open_tls(proxy, Way.HTTPS, "ok.test") as session:
        session.send(request("/", "ok.test", headers="Connection: close\r\n"))
        assert session.read_answer().status == 200
    mode = proxy.last_record()["mode"]
    answer = proxy.ask(Way.HTTPS, host="wild.test")

    assert mode == "passthrough"
    assert (answer.status, proxy.last_record()["mode"]) == (200, "mitm")


def test_in_sni_only_mode_plain_http_is_served_as_ever(proxy: RunningProxy) -> None:
    for way in (Way.HTTP, Way.CONNECT_PLAIN, Way.SOCKS_PLAIN):
        assert proxy.ask(way).status == 200
        assert proxy.last_record()["mode"] == "mitm"
