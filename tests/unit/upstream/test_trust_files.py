"""Files that cannot be used stop the start with a sentence that names them, and never quote a key."""

import datetime
import logging
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from tests.fakes.loopback import authority

from iron_proxy.errors import StartupError
from iron_proxy.upstream.trust_files import MAX_FILE_BYTES, load_client_certificate, read_ca_certificates

PEM = authority().cert_pem.bytes()
LEAF = authority().issue_cert("client.test")
CERTIFICATE = LEAF.cert_chain_pems[0].bytes()
KEY = LEAF.private_key_pem.bytes()
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def encrypted(key: bytes, form: PrivateFormat) -> bytes:
    return load_pem_private_key(key, None).private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"password"))


def traditional(key: bytes) -> bytes:
    return load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.pem"


# --- CAs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (PEM, 1),
        (PEM + trustme.CA().cert_pem.bytes() * 2, 3),
        ("# Añadido por el operador\n".encode() + PEM + b"trailing text\n", 1),
        (PEM.replace(b"\n", b"\r\n"), 1),
        (PEM.replace(b"CERTIFICATE", b"X509 CERTIFICATE"), 1),
        (KEY + PEM, 1),
    ],
    ids=["one", "three", "text around it", "CRLF", "an old label", "behind a key"],
)
def test_every_certificate_of_a_file_is_read(file: Path, content: bytes, count: int) -> None:
    file.write_bytes(content)

    assert len(read_ca_certificates(str(file), "ca_files")) == count


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no certificate in PEM form"),
        (ssl.PEM_cert_to_DER_cert(PEM.decode()), "openssl x509 -in .* -inform DER"),
        (KEY, "no certificate in PEM form"),
        (PEM[:-30], "no certificate in PEM form"),
        (PEM + PEM.replace(b"MI", b"IM", 1), "certificate 2 of .* is damaged"),
        (PEM + b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", "certificate 2 of .* is damaged"),
        (b"x" * (MAX_FILE_BYTES + 1), "larger than 4 MiB"),
    ],
    ids=["empty", "DER", "a key", "cut off", "another length", "no base64", "too large"],
)
def test_a_file_without_a_sound_certificate_is_refused(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)

    with pytest.raises(StartupError, match=words) as caught:
        read_ca_certificates(str(file), "proxy.upstream_tls.ca_files")

    assert str(caught.value).startswith("proxy.upstream_tls.ca_files: ")
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.pem", "no such file or directory; check the path"),
        (".", "is a directory; name a PEM file in it"),
        ("a\0b", "is not a file name"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, path: str, words: str) -> None:
    with pytest.raises(StartupError, match=words):
        read_ca_certificates(f"{tmp_path}/{path}", "ca_files")


def test_a_file_that_may_not_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)

    with pytest.raises(StartupError, match="permission denied; let the user that runs iron-proxy read it"):
        read_ca_certificates("/etc/ca.pem", "ca_files")


def test_an_expired_ca_is_warned_of(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_bytes(PEM)
    with caplog.at_level(logging.WARNING, "iron_proxy.upstream"):
        read_ca_certificates(str(file), "ca_files")
    assert caplog.records == []
    certificate, _ = expired_certificate()
    file.write_bytes(certificate)

    with caplog.at_level(logging.WARNING, "iron_proxy.upstream"):
        read_ca_certificates(str(file), "ca_files")

    (record,) = caplog.records
    assert record.getMessage() == "certificate has expired"
    assert record.fields == {  # type: ignore[attr-defined]  # put there by `extra`
        "setting": "ca_files", "file": str(file), "expired": "2020-01-01T00:00:00Z",
    }  # fmt: skip


def expired_certificate() -> tuple[bytes, bytes]:
    leaf = authority().issue_cert("old.test", not_before=LONG_AGO - datetime.timedelta(1), not_after=LONG_AGO)
    return leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()


# --- our own certificate --------------------------------------------------------------------------------------------


def load(directory: Path, certificate: bytes, key: bytes) -> None:
    (directory / "c.pem").write_bytes(certificate)
    (directory / "k.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    load_client_certificate(context, f"{directory}/c.pem", f"{directory}/k.pem", "upstream_tls")


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        (CERTIFICATE, KEY),
        (CERTIFICATE + PEM, KEY),
        (CERTIFICATE, traditional(KEY)),
        (CERTIFICATE + KEY, CERTIFICATE + KEY),
    ],
    ids=["a pair", "with its chain", "another form of key", "both in both"],
)
def test_a_certificate_with_its_key_is_taken(tmp_path: Path, certificate: bytes, key: bytes) -> None:
    load(tmp_path, certificate, key)


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (b"", KEY, r"^upstream_tls\.client_cert: .*c\.pem does not begin with a certificate"),
        (KEY, KEY, r"^upstream_tls\.client_cert: .*c\.pem does not begin with a certificate"),
        (CERTIFICATE, b"", r"^upstream_tls\.client_key: .*k\.pem holds no private key"),
        (CERTIFICATE, CERTIFICATE, r"^upstream_tls\.client_key: .*k\.pem holds no private key"),
        (CERTIFICATE, KEY[:60] + KEY[64:], r"^upstream_tls\.client_key: .*k\.pem holds no private key"),
        (CERTIFICATE, encrypted(KEY, PrivateFormat.PKCS8), r"k\.pem is encrypted; decrypt it first: openssl pkey"),
        (CERTIFICATE, encrypted(KEY, PrivateFormat.TraditionalOpenSSL), r"k\.pem is encrypted; decrypt it first"),
        (CERTIFICATE, authority().private_key_pem.bytes(), r"k\.pem is not the key of the certificate in .*c\.pem"),
        (PEM, KEY, r"k\.pem is not the key of the certificate in .*c\.pem"),
    ],
    ids=[
        "no certificate", "a key for it", "no key", "a certificate for it", "a damaged key", "an encrypted key",
        "an encrypted key of the old form", "another key", "another certificate first",
    ],
)  # fmt: skip
def test_a_pair_that_cannot_be_used_is_refused(tmp_path: Path, certificate: bytes, key: bytes, words: str) -> None:
    with pytest.raises(StartupError, match=words) as caught:
        load(tmp_path, certificate, key)

    assert not any(line in str(caught.value) for line in KEY.decode().splitlines()[1:-1])


def test_an_expired_certificate_of_our_own_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "iron_proxy.upstream"):
        load(tmp_path, *expired_certificate())

    assert [record.getMessage() for record in caplog.records] == ["certificate has expired"]


def test_a_pair_that_is_too_weak_for_openssl_is_refused(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client.test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(LONG_AGO)
        .not_valid_after(LONG_AGO + datetime.timedelta(100_000))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(StartupError, match="too weak"):
        load(tmp_path, certificate.public_bytes(Encoding.PEM), pem)
