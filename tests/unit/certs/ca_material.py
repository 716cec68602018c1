"""CAs for tests, made to order: every field that a check looks at can be made wrong."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from iron_proxy.certs.authority import CertificateAuthority, signature_hash
from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.certs.ca_parsing import CAKey

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)

# RSA keys are slow to make: one for all tests. 2048 bits behave as 4096 do.
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256_KEY = ec.generate_private_key(ec.SECP256R1())
ED25519_KEY = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, CAKey] = {"rsa": RSA_KEY, "p256": P256_KEY, "ed25519": ED25519_KEY}


def make_ca_certificate(
    key: CAKey = P256_KEY,
    *,
    name: str = "Test CA",
    issuer: tuple[x509.Certificate, CAKey] | None = None,
    is_ca: bool | None = True,
    path_length: int | None = 0,
    key_cert_sign: bool | None = True,
    with_ski: bool = True,
    starts: datetime = NOW - DAY,
    ends: datetime = NOW + 365 * DAY,
) -> x509.Certificate:
    """A CA certificate; None for `is_ca` or `key_cert_sign` leaves that extension out."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing_key = issuer[1] if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if is_ca is not None:
        extensions.append((x509.BasicConstraints(is_ca, path_length if is_ca else None), True))
    if key_cert_sign is not None:
        extensions.append((_key_usage(key_cert_sign), True))
    if with_ski:
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    if issuer:
        extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signing_key, signature_hash(signing_key))


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def key_pem(key: CAKey, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


def ca_files(certificate: bytes, key: bytes) -> CAFiles:
    return CAFiles(certificate, key, "/etc/ca.crt", "/etc/ca.key")


def make_authority(key: CAKey = P256_KEY, chain: Sequence[x509.Certificate] = ()) -> CertificateAuthority:
    certificates = chain or [make_ca_certificate(key)]
    return CertificateAuthority.from_files(ca_files(pem(*certificates), key_pem(key)))


def _key_usage(key_cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
