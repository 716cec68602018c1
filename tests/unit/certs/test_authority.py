import shutil
import ssl
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.unit.certs.ca_material import (
    DAY,
    ED25519_KEY,
    KEYS,
    NOW,
    P256_KEY,
    RSA_KEY,
    key_pem,
    make_authority,
    make_ca_certificate,
    pem,
)
from tests.unit.certs.handshakes import shake_hands, strict_client

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.ca_parsing import CAKey
from iron_proxy.certs.server_contexts import build_server_context
from iron_proxy.errors import IronProxyError, StartupError

LEAF_KEY = ec.generate_private_key(ec.SECP256R1())
LONG_NAME = ".".join(["a" * 60] * 4)
HOSTS = [("api.example.com", False), ("127.0.1.9", True), ("2001:db8::1", True), (LONG_NAME, False)]
HOST_IDS = ["name", "IPv4", "IPv6", "long name"]

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command is not installed")


def _sign(
    host: str = "api.example.com",
    is_ip: bool = False,
    *,
    authority: CertificateAuthority | None = None,
    lifetime: timedelta = 3 * DAY,
    now: datetime = NOW,
) -> x509.Certificate:
    return (authority or make_authority()).sign_leaf(host, is_ip, LEAF_KEY.public_key(), lifetime, now)


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> tuple[x509.ExtensionType, bool]:
    extension = certificate.extensions.get_extension_for_class(kind)
    return extension.value, extension.critical


def test_a_ca_is_loaded_from_its_files(tmp_path: Path) -> None:
    certificate = make_ca_certificate()
    (tmp_path / "ca.crt").write_bytes(pem(certificate))
    (tmp_path / "ca.key").write_bytes(key_pem(P256_KEY))

    authority = CertificateAuthority.load(str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))

    assert authority.certificate == certificate
    assert authority.chain_pem == pem(certificate)


def test_a_ca_that_cannot_be_read_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="reading CA cert"):
        CertificateAuthority.load(str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))


def test_a_leaf_names_its_host_and_nothing_else() -> None:
    leaf = _sign("api.example.com")

    assert leaf.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.example.com")])
    assert _extension(leaf, x509.SubjectAlternativeName) == (
        x509.SubjectAlternativeName([x509.DNSName("api.example.com")]),
        False,
    )


@pytest.mark.parametrize("address", ["127.0.1.9", "2001:db8::1"])
def test_a_leaf_for_an_ip_literal_names_the_address_as_one(address: str) -> None:
    names = _sign(address, is_ip=True).extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert [str(general_name.value) for general_name in names] == [address]
    assert names.get_values_for_type(x509.DNSName) == []


def test_a_name_too_long_for_a_common_name_stands_in_the_san_alone() -> None:
    leaf = _sign(LONG_NAME)

    assert list(leaf.subject) == []
    assert _extension(leaf, x509.SubjectAlternativeName) == (
        x509.SubjectAlternativeName([x509.DNSName(LONG_NAME)]),
        True,
    )


def test_a_common_name_of_64_characters_is_kept() -> None:
    host = "a" * 60 + ".com"

    assert _sign(host).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == host


def test_a_leaf_serves_and_does_nothing_else() -> None:
    leaf = _sign()

    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.digital_signature, usage.value.key_cert_sign) == (True, False)
    assert _extension(leaf, x509.ExtendedKeyUsage) == (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    assert _extension(leaf, x509.BasicConstraints) == (x509.BasicConstraints(ca=False, path_length=None), True)
    assert leaf.public_key() == LEAF_KEY.public_key()


def test_a_leaf_points_to_its_issuer_by_the_cas_own_identifier() -> None:
    certificate = make_ca_certificate()
    leaf = _sign(authority=make_authority(chain=[certificate]))

    own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own
    assert _extension(leaf, x509.SubjectKeyIdentifier)[0] == x509.SubjectKeyIdentifier.from_public_key(
        LEAF_KEY.public_key()
    )


def test_a_ca_without_an_identifier_is_pointed_to_by_its_key() -> None:
    leaf = _sign(authority=make_authority(chain=[make_ca_certificate(with_ski=False)]))

    assert _extension(leaf, x509.AuthorityKeyIdentifier)[0] == x509.AuthorityKeyIdentifier.from_issuer_public_key(
        P256_KEY.public_key()
    )


def test_a_thousand_serials_are_positive_and_differ() -> None:
    authority = make_authority()

    serials = {_sign(authority=authority).serial_number for _ in range(1000)}

    assert len(serials) == 1000
    assert all(0 < serial < 2**128 for serial in serials)
    assert max(serials) > 2**120


def test_a_leaf_is_valid_from_a_minute_ago_for_its_lifetime() -> None:
    leaf = _sign(lifetime=timedelta(hours=72))

    assert leaf.not_valid_before_utc == NOW - timedelta(seconds=60)
    assert leaf.not_valid_after_utc == NOW + timedelta(hours=72)


@pytest.mark.parametrize("lifetime", [2 * DAY, timedelta.max], ids=["a day too long", "for ever"])
def test_a_leaf_never_outlives_its_ca(lifetime: timedelta) -> None:
    certificate = make_ca_certificate(starts=NOW - timedelta(seconds=5), ends=NOW + DAY)

    leaf = _sign(authority=make_authority(chain=[certificate]), lifetime=lifetime)

    assert leaf.not_valid_after_utc == NOW + DAY
    assert leaf.not_valid_before_utc == certificate.not_valid_before_utc


def test_a_ca_that_has_expired_since_signs_no_more() -> None:
    authority = make_authority(chain=[make_ca_certificate(ends=NOW + DAY)])

    with pytest.raises(IronProxyError, match=r"^generating cert for api\.example\.com: the CA certificate expired on "):
        _sign(authority=authority, now=NOW + DAY)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (RSA_KEY, hashes.SHA256),
        (P256_KEY, hashes.SHA256),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384),
        (ec.generate_private_key(ec.SECP521R1()), hashes.SHA512),
        (ED25519_KEY, type(None)),
    ],
    ids=["RSA", "P-256", "P-384", "P-521", "Ed25519"],
)
def test_the_signature_hash_follows_the_ca_key(key: CAKey, expected: type) -> None:
    leaf = _sign(authority=make_authority(key))

    assert isinstance(leaf.signature_hash_algorithm, expected)
    leaf.verify_directly_issued_by(make_ca_certificate(key))


def test_only_rsa_is_slow_to_sign() -> None:
    assert {name: make_authority(key).is_slow for name, key in KEYS.items()} == {
        "rsa": True,
        "p256": False,
        "ed25519": False,
    }


@needs_openssl
@pytest.mark.parametrize(("host", "is_ip"), HOSTS, ids=HOST_IDS)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_openssl_finds_nothing_to_object_to(key: CAKey, host: str, is_ip: bool, tmp_path: Path) -> None:
    certificate = make_ca_certificate(key)
    (tmp_path / "ca.crt").write_bytes(pem(certificate))
    (tmp_path / "leaf.crt").write_bytes(pem(_sign(host, is_ip, authority=make_authority(key, [certificate]))))
    name = ["-verify_ip" if is_ip else "-verify_hostname", host]

    result = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", *name, "-CAfile", "ca.crt", "leaf.crt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.stdout, result.stderr) == ("leaf.crt: OK\n", "")


@pytest.mark.parametrize(("host", "is_ip"), HOSTS, ids=HOST_IDS)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_strict_python_client_shakes_hands(key: CAKey, host: str, is_ip: bool) -> None:
    authority = make_authority(key)
    leaf = _sign(host, is_ip, authority=authority)

    server = build_server_context(pem(leaf) + authority.chain_pem, key_pem(LEAF_KEY))
    client_end, _ = shake_hands(server, strict_client(authority.certificate), host)

    assert client_end.version() == "TLSv1.3"


def test_a_client_that_trusts_the_root_alone_accepts_an_intermediate_ca() -> None:
    root = make_ca_certificate(RSA_KEY, name="Root", path_length=1)
    intermediate = make_ca_certificate(P256_KEY, name="Intermediate", issuer=(root, RSA_KEY))
    authority = make_authority(P256_KEY, [intermediate])

    server = build_server_context(pem(_sign(authority=authority)) + authority.chain_pem, key_pem(LEAF_KEY))
    client_end, _ = shake_hands(server, strict_client(root), "api.example.com")

    assert client_end.getpeercert(True) is not None


def test_a_client_that_trusts_another_ca_refuses() -> None:
    authority = make_authority()
    server = build_server_context(pem(_sign(authority=authority)) + authority.chain_pem, key_pem(LEAF_KEY))

    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, strict_client(make_ca_certificate(ED25519_KEY, name="Other")), "api.example.com")
