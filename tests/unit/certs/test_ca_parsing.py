import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from tests.unit.certs.ca_material import ED25519_KEY, P256_KEY, RSA_KEY, ca_files, key_pem, make_ca_certificate, pem

from iron_proxy.certs.ca_parsing import parse_ca_certificates, parse_ca_key
from iron_proxy.errors import StartupError

CERTIFICATE = make_ca_certificate()
KEY_ERROR = r"^parsing CA key \(tried PKCS8, PKCS1, and EC formats\): /etc/ca\.key: "


def _parse_key(content: bytes) -> object:
    return parse_ca_key(ca_files(pem(CERTIFICATE), content))


def _public(key: object) -> object:
    return getattr(key, "public_key")()  # noqa: B009 - the key kinds share no base class that has it


@pytest.mark.parametrize(
    ("key", "form"),
    [
        (RSA_KEY, PrivateFormat.PKCS8),
        (RSA_KEY, PrivateFormat.TraditionalOpenSSL),
        (P256_KEY, PrivateFormat.PKCS8),
        (P256_KEY, PrivateFormat.TraditionalOpenSSL),
        (ec.generate_private_key(ec.SECP384R1()), PrivateFormat.PKCS8),
        (ec.generate_private_key(ec.SECP521R1()), PrivateFormat.PKCS8),
        (ED25519_KEY, PrivateFormat.PKCS8),
    ],
    ids=["RSA PKCS8", "RSA PKCS1", "P-256 PKCS8", "P-256 SEC1", "P-384", "P-521", "Ed25519"],
)
def test_every_key_format_is_read(key: ec.EllipticCurvePrivateKey, form: PrivateFormat) -> None:
    assert _public(_parse_key(key_pem(key, form))) == key.public_key()


def test_a_key_under_the_label_of_another_format_is_read() -> None:
    relabelled = key_pem(RSA_KEY).replace(b"PRIVATE KEY", b"RSA PRIVATE KEY")

    assert _public(_parse_key(relabelled)) == RSA_KEY.public_key()


def test_ec_parameters_in_front_of_the_key_are_passed_over() -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"

    assert _public(_parse_key(parameters + key_pem(P256_KEY))) == P256_KEY.public_key()


def test_windows_line_ends_and_text_around_are_passed_over() -> None:
    certificate = (b"Bag Attributes\n" + pem(CERTIFICATE) + b"trailing text").replace(b"\n", b"\r\n")
    key = (b"Key Attributes: <none>\n" + key_pem(P256_KEY)).replace(b"\n", b"\r\n")

    assert parse_ca_certificates(ca_files(certificate, key)) == [CERTIFICATE]
    assert _public(_parse_key(key)) == P256_KEY.public_key()


def test_one_file_with_key_and_certificate_serves_as_both() -> None:
    combined = key_pem(P256_KEY) + pem(CERTIFICATE)

    assert parse_ca_certificates(ca_files(combined, combined)) == [CERTIFICATE]
    assert _public(_parse_key(pem(CERTIFICATE) + key_pem(P256_KEY))) == P256_KEY.public_key()


def test_all_certificates_come_in_the_order_of_the_file() -> None:
    other = make_ca_certificate(name="Other CA")

    assert parse_ca_certificates(ca_files(pem(CERTIFICATE, other), b"")) == [CERTIFICATE, other]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hello", 'holds no complete "-----BEGIN CERTIFICATE-----" block'),
        (key_pem(P256_KEY), "holds no complete"),
        (pem(CERTIFICATE)[:-30], "holds no complete"),
        (CERTIFICATE.public_bytes(Encoding.DER), "holds no complete"),
    ],
    ids=["empty", "blank", "text", "a key", "cut off", "DER"],
)
def test_a_file_without_a_certificate_is_refused(content: bytes, found: str) -> None:
    with pytest.raises(StartupError) as caught:
        parse_ca_certificates(ca_files(content, b""))

    assert str(caught.value).startswith(f"no PEM block found in CA cert: /etc/ca.crt {found}")


def test_a_damaged_certificate_is_counted() -> None:
    damaged = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"

    with pytest.raises(StartupError, match=r"^parsing CA cert: /etc/ca\.crt: certificate 2 of the file is damaged"):
        parse_ca_certificates(ca_files(pem(CERTIFICATE) + damaged, b""))


def test_base64_that_does_not_decode_is_damage() -> None:
    with pytest.raises(StartupError, match="certificate 1 of the file is damaged"):
        parse_ca_certificates(ca_files(b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", b""))


@pytest.mark.parametrize("content", [b"", pem(CERTIFICATE)], ids=["empty", "a certificate"])
def test_a_file_without_a_key_is_refused(content: bytes) -> None:
    with pytest.raises(StartupError, match=r"^no PEM block found in CA key: /etc/ca\.key "):
        _parse_key(content)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["PKCS8", "traditional"])
def test_an_encrypted_key_says_how_to_decrypt_it(form: PrivateFormat) -> None:
    encrypted = P256_KEY.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"passphrase"))

    with pytest.raises(StartupError, match=KEY_ERROR + "the key is encrypted; decrypt it first: openssl pkey -in"):
        _parse_key(encrypted)


def test_a_damaged_key_is_refused_without_quoting_it() -> None:
    damaged = base64.b64encode(b"canary" * 20)

    with pytest.raises(StartupError, match=KEY_ERROR + "the file is damaged") as caught:
        _parse_key(b"-----BEGIN PRIVATE KEY-----\n" + damaged + b"\n-----END PRIVATE KEY-----\n")

    assert damaged[:8].decode() not in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_curve_that_tls_cannot_use_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256K1())

    with pytest.raises(StartupError, match=KEY_ERROR + "EC curve secp256k1 is not usable for TLS"):
        _parse_key(key_pem(key))


def test_a_key_that_cannot_sign_for_tls_is_refused() -> None:
    exchange_key = x25519.X25519PrivateKey.generate()
    content = exchange_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(StartupError, match=KEY_ERROR + "the key is neither RSA, EC nor Ed25519"):
        _parse_key(content)
