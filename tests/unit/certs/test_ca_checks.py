import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.certs.ca_material import (
    DAY,
    ED25519_KEY,
    KEYS,
    NOW,
    P256_KEY,
    RSA_KEY,
    ca_files,
    key_pem,
    make_authority,
    make_ca_certificate,
    pem,
)

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.ca_checks import issuing_chain
from iron_proxy.errors import StartupError

ROOT = make_ca_certificate(RSA_KEY, name="Root", path_length=None)
INTERMEDIATE = make_ca_certificate(P256_KEY, name="Intermediate", issuer=(ROOT, RSA_KEY))


def _load(*chain: x509.Certificate) -> CertificateAuthority:
    return CertificateAuthority.from_files(ca_files(pem(*chain), key_pem(P256_KEY)), NOW)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_sound_ca_is_accepted(key: ec.EllipticCurvePrivateKey) -> None:
    certificate = make_ca_certificate(key)

    authority = CertificateAuthority.from_files(ca_files(pem(certificate), key_pem(key)), NOW)

    assert authority.certificate == certificate
    assert authority.not_after == certificate.not_valid_after_utc


@pytest.mark.parametrize("is_ca", [False, None], ids=["CA:FALSE", "no BasicConstraints"])
def test_a_certificate_that_is_no_ca_is_refused(is_ca: bool | None) -> None:
    with pytest.raises(StartupError) as caught:
        _load(make_ca_certificate(is_ca=is_ca))

    assert str(caught.value) == (
        "certificate is not a CA (BasicConstraints.IsCA is false): /etc/ca.crt; make a CA with: iron-proxy generate-ca"
    )


@pytest.mark.parametrize("key_cert_sign", [False, None], ids=["no keyCertSign", "no KeyUsage"])
def test_a_ca_that_may_not_sign_certificates_is_refused(key_cert_sign: bool | None) -> None:
    with pytest.raises(StartupError, match=r"^CA certificate missing KeyUsageCertSign: /etc/ca\.crt"):
        _load(make_ca_certificate(key_cert_sign=key_cert_sign))


def test_an_expired_ca_is_refused() -> None:
    with pytest.raises(StartupError, match=r"^CA certificate expired on .* UTC: /etc/ca\.crt; make a new one"):
        _load(make_ca_certificate(starts=NOW - 3 * DAY, ends=NOW))


def test_a_ca_of_the_future_is_refused() -> None:
    with pytest.raises(StartupError, match=r"^CA certificate is not valid before .*; check this machine's clock"):
        _load(make_ca_certificate(starts=NOW + DAY))


@pytest.mark.parametrize(
    "key", [RSA_KEY, ED25519_KEY, ec.generate_private_key(ec.SECP256R1())], ids=["RSA", "Ed25519", "other EC key"]
)
def test_the_key_of_another_certificate_is_refused(key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(StartupError, match=r"^CA key does not match .*: /etc/ca\.key is not the key of /etc/ca\.crt"):
        _load(make_ca_certificate(key))


def test_an_intermediate_is_served_with_its_issuers() -> None:
    assert _load(INTERMEDIATE, ROOT).chain_pem == pem(INTERMEDIATE, ROOT)


def test_the_first_certificate_is_the_signer() -> None:
    with pytest.raises(StartupError, match="does not match"):
        _load(ROOT, INTERMEDIATE)


@pytest.mark.parametrize(
    ("in_file", "served"),
    [
        ([INTERMEDIATE], [INTERMEDIATE]),
        ([INTERMEDIATE, make_ca_certificate(name="Stranger"), ROOT], [INTERMEDIATE]),
        ([ROOT, ROOT], [ROOT]),
    ],
    ids=["alone", "a stranger ends the chain", "nothing is above a root"],
)
def test_what_does_not_continue_the_chain_is_not_served(
    in_file: list[x509.Certificate], served: list[x509.Certificate]
) -> None:
    assert issuing_chain(in_file) == served


def test_a_chain_longer_than_its_root_allows_is_refused() -> None:
    root = make_ca_certificate(RSA_KEY, name="Root", path_length=0)
    intermediate = make_ca_certificate(P256_KEY, name="Intermediate", issuer=(root, RSA_KEY))

    with pytest.raises(StartupError, match="certificate 2 of the CA chain allows 0 CAs below it and has 1"):
        _load(intermediate, root)


def test_a_key_that_others_can_read_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    files = ca_files(pem(make_ca_certificate()), key_pem(P256_KEY))
    files.key_mode = 0o644

    CertificateAuthority.from_files(files)

    (record,) = caplog.records
    assert (record.levelname, record.name, record.message) == (
        "WARNING",
        "iron_proxy.certs",
        "CA key is readable by other users",
    )
    assert vars(record)["fields"] == {"path": "/etc/ca.key", "mode": "0644"}


def test_a_key_that_is_kept_close_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    make_authority()

    assert caplog.records == []
