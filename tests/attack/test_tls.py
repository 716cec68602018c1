"""TLS: names that must agree, versions, upstream certificates, and CA files that cannot be used."""

import datetime
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.conftest import Running
from tests.fakes.configurations import allowlist, base_config
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.running_proxy import ProxyCA, RunningProxy, request, run_to_end
from tests.fakes.wire_client import TLS_WAYS, Way, connect, way_id

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def handshake(proxy: RunningProxy, context: ssl.SSLContext, name: str | None = "ok.test") -> ssl.SSLSocket:
    """A TLS connection to the HTTPS listener. Raises ssl.SSLError, ConnectionError."""
    sock = connect(proxy.addresses["https"])
    try:
        return context.wrap_socket(sock, server_hostname=name)
    except BaseException:
        sock.close()
        raise


def trusting(proxy: RunningProxy) -> ssl.SSLContext:
    """A client's context that trusts the proxy's CA."""
    return proxy.ca.client_context()


@pytest.mark.every_split
@pytest.mark.parametrize(
    ("name", "host"), [("ok.test", "other.test"), ("other.test", "ok.test"), ("ok.test", "wild.test")]
)
def test_tls_01_host_and_server_name_must_agree(proxy: RunningProxy, name: str, host: str) -> None:
    with proxy.open(Way.HTTPS, name) as session:
        proxy.started += 1
        session.send(request("/", proxy.authority(Way.HTTPS, host)))
        answer = session.read_answer()

    assert (answer.status, answer.body) == (400, b"SNI and Host header mismatch\n")
    assert proxy.arrived() == []
    assert (proxy.last_record()["action"], proxy.last_record()["sni"]) == ("reject", name)


@pytest.mark.every_split
@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_tls_01_the_second_request_is_held_to_the_name_too(proxy: RunningProxy, way: Way) -> None:
    with proxy.open(way, "ok.test") as session:
        proxy.started += 2
        session.send(request("/", proxy.authority(way, "ok.test")))
        first = session.read_answer()
        session.send(request("/", proxy.authority(way, "wild.test")))
        second = session.read_answer()

    assert (first.status, second.status) == (200, 400)


@pytest.mark.every_split
@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize(
    ("name", "host"),
    [("ok.test", "OK.TEST"), ("ok.test", "ok.test."), ("OK.TEST", "ok.test")],
    ids=["upper-case host", "trailing dot", "upper-case name"],
)
def test_tls_02_canonical_forms_are_compared(proxy: RunningProxy, way: Way, name: str, host: str) -> None:
    with proxy.open(way, "ok.test", sni=name) as session:
        proxy.started += 1
        session.send(request("/", proxy.authority(way, host)))
        assert session.read_answer().status == 200


@pytest.mark.every_split
@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_tls_02_the_default_port_may_be_spelled_out(proxy: RunningProxy, way: Way) -> None:
    with proxy.open(way, "nx.test", 443) as session:
        proxy.started += 1
        session.send(request("/", "nx.test:443"))
        assert session.read_answer().status == 502

    assert proxy.last_record()["host"] == "nx.test"


def test_tls_03_without_a_name_the_handshake_is_refused_with_one_record(proxy: RunningProxy) -> None:
    context = trusting(proxy)
    context.check_hostname = False

    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(proxy, context, None)

    event = proxy.wait_for_event("handshake")
    assert "no server name" in event["reason"]
    assert (event["action"], event["level"]) == ("reject", "WARN")


def test_tls_03_without_a_name_an_allowed_address_gets_a_leaf_of_its_own(running: Running) -> None:
    proxy = running(transforms=[allowlist(cidrs=["127.0.0.1/32"])])

    with handshake(proxy, trusting(proxy), "127.0.0.1") as session:
        certificate = session.getpeercert()

    assert certificate is not None
    assert certificate["subjectAltName"] == (("IP Address", "127.0.0.1"),)


@pytest.mark.parametrize(
    ("version", "is_served"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
def test_tls_05_old_versions_are_refused(proxy: RunningProxy, version: ssl.TLSVersion, is_served: bool) -> None:
    context = trusting(proxy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is the point
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version

    if is_served:
        handshake(proxy, context).close()
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(proxy, context)
        assert proxy.wait_for_event("handshake")["action"] == "reject"


@pytest.mark.parametrize("protocols", [["h2"], ["h2", "http/1.1"], ["http/1.1"], ["acme-tls/1"], []])
def test_tls_06_what_is_chosen_by_alpn_is_what_is_spoken(proxy: RunningProxy, protocols: list[str]) -> None:
    context = trusting(proxy)
    if protocols:
        context.set_alpn_protocols(protocols)

    spoken = [protocol for protocol in protocols if protocol in ("h2", "http/1.1")]
    assert alpn_outcome(proxy, context) in (spoken or (None, "refused"))


def alpn_outcome(proxy: RunningProxy, context: ssl.SSLContext) -> str | None:
    """The protocol chosen, None, or "refused" when the proxy has none of those offered."""
    try:
        with handshake(proxy, context) as session:
            return session.selected_alpn_protocol()
    except ssl.SSLError:
        return "refused"


def test_plain_http_on_the_tls_port_is_told_so(proxy: RunningProxy) -> None:
    with proxy.raw("https") as session:
        session.send(b"GET / HTTP/1.1\r\nHost: ok.test\r\n\r\n")
        answer = session.read_to_end()

    assert answer == b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    assert proxy.wait_for_event("handshake")["action"] == "reject"


# --- upstream certificates ------------------------------------------------------------------------------------------


def signed_by(internet: Internet, **changes: object) -> trustme.LeafCert:
    """A certificate for inject.test of the origins' CA, with one thing wrong."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    key = rsa.generate_private_key(65537, 1024) if changes.get("weak_key") else ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(internet.ca.cert_pem.bytes())
    issuer_key = load_pem_private_key(internet.ca.private_key_pem.bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "inject.test")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
    )
    if not changes.get("common_name_only"):
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("inject.test")]), critical=False)
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if changes.get("for_clients") else ExtendedKeyUsageOID.SERVER_AUTH
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return trustme.LeafCert(key_pem, pem, [])


UNTRUSTED: dict[str, Callable[[Internet], trustme.LeafCert]] = {
    "expired": lambda net: net.ca.issue_cert("inject.test", not_before=NOW - 2 * DAY, not_after=NOW - DAY),
    "not yet valid": lambda net: net.ca.issue_cert("inject.test", not_before=NOW + DAY, not_after=NOW + 2 * DAY),
    "unknown root": lambda net: trustme.CA().issue_cert("inject.test"),
    "another name": lambda net: net.ca.issue_cert("elsewhere.test"),
    "another name, right CN": lambda net: net.ca.issue_cert("elsewhere.test", common_name="inject.test"),
    "CN only": lambda net: signed_by(net, common_name_only=True),
    "a client's certificate": lambda net: signed_by(net, for_clients=True),
    "1024-bit RSA": lambda net: signed_by(net, weak_key=True),
}


@pytest.mark.every_split
@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in UNTRUSTED.items()])
def test_tls_09_nothing_is_sent_to_an_upstream_whose_certificate_is_not_good(
    proxy: RunningProxy, internet: Internet, way: Way, make: Callable[[Internet], trustme.LeafCert]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    make(internet).configure_cert(context)
    origin = internet.add_recorder(ALLOWED, context)

    with proxy.open(way, "inject.test", origin.port) as session:
        proxy.started += 1
        session.send(request("/", f"inject.test:{origin.port}"))
        answer = session.read_answer()

    assert (answer.status, answer.body) == (502, b"bad gateway\n")
    assert all(not connection.received for connection in origin.connections)
    record = proxy.last_record()
    assert record["action"] == "error"
    assert "TLS handshake with inject.test failed" in record["error"]


# --- CA files -------------------------------------------------------------------------------------------------------


def test_tls_13_ca_files_that_cannot_be_used_stop_the_start(
    tmp_path: Path, internet: Internet, proxy_ca: ProxyCA
) -> None:
    other = trustme.CA()
    leaf = other.issue_cert("leaf.test")
    files = {
        "other.key": other.private_key_pem.bytes(),
        "leaf.crt": leaf.cert_chain_pems[0].bytes(),
        "leaf.key": leaf.private_key_pem.bytes(),
        "empty": b"",
        "encrypted.key": serialization.load_pem_private_key(other.private_key_pem.bytes(), None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        ),
        "other.crt": other.cert_pem.bytes(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for certificate, key in (
        (proxy_ca.certificate, tmp_path / "other.key"),
        (tmp_path / "leaf.crt", tmp_path / "leaf.key"),
        (tmp_path / "empty", proxy_ca.key),
        (proxy_ca.certificate, tmp_path / "empty"),
        (tmp_path / "other.crt", tmp_path / "encrypted.key"),
        (tmp_path, proxy_ca.key),
        (tmp_path / "missing.crt", proxy_ca.key),
    ):
        config = base_config(internet, proxy_ca, tls={"ca_cert": str(certificate), "ca_key": str(key)})

        ended = run_to_end(config, tmp_path, internet)

        assert ended.returncode in (1, 2), (certificate, key)
        assert "\nerror: " in "\n" + ended.stderr
        assert str(tmp_path) in ended.stderr or str(proxy_ca.certificate) in ended.stderr
        assert "Traceback" not in ended.stderr
