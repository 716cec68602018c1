"""
The certificate authority: checked once when it is loaded, then signs leaves.

What is wrong with a CA is said at start, naming file and remedy, and not at the first failing handshake. The leaf
profile satisfies the strictest readers (OpenSSL's -x509_strict, which CPython 3.13 turns on). Caching, and when to sign
at all, are `leaf_cache.py`'s business; it is the only caller of `sign_leaf`.
"""

import ipaddress
import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iron_proxy.certs import ca_checks
from iron_proxy.certs.ca_files import CAFiles, read_ca_files
from iron_proxy.certs.ca_parsing import CAKey, parse_ca_certificates, parse_ca_key
from iron_proxy.errors import IronProxyError

SignatureHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None

_log = logging.getLogger("iron_proxy.certs")

# Clients' clocks run up to a minute behind ours without anybody noticing, until a certificate is "not yet valid".
BACKDATING = timedelta(seconds=60)
# X.520's upper bound for a common name. A cut name would be another host's: longer ones live in the SAN alone.
MAX_COMMON_NAME = 64

_LEAF_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class CertificateAuthority:
    """A CA certificate, its key and the chain it is served with. Make one with `load` or `from_files`."""

    def __init__(self, chain: list[x509.Certificate], key: CAKey) -> None:
        self.certificate = chain[0]
        self.chain_pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
        self._key = key
        self._hash = signature_hash(key)
        self._key_identifier = _key_identifier(self.certificate, key)

    @classmethod
    def load(cls, certificate_path: str, key_path: str, now: datetime | None = None) -> Self:
        """Read and check both files. Raises StartupError."""
        return cls.from_files(read_ca_files(certificate_path, key_path), now)

    @classmethod
    def from_files(cls, files: CAFiles, now: datetime | None = None) -> Self:
        """Check what `read_ca_files` has read. Raises StartupError."""
        certificates = parse_ca_certificates(files)
        signer = certificates[0]
        ca_checks.check_may_sign(signer, files)
        ca_checks.check_validity(signer, files, now or datetime.now(UTC))
        key = parse_ca_key(files)
        ca_checks.check_pair(signer, key, files)
        chain = ca_checks.issuing_chain(certificates)
        ca_checks.check_path_lengths(chain, files)
        _warn_of_open_key(files)
        return cls(chain, key)

    @property
    def not_after(self) -> datetime:
        """When the CA expires. No leaf lives longer."""
        return self.certificate.not_valid_after_utc

    @property
    def is_slow(self) -> bool:
        """Signing takes milliseconds (RSA-4096: 1.4 ms; EC and Ed25519: 0.05 ms), too long for the event loop."""
        return isinstance(self._key, rsa.RSAPrivateKey)

    def sign_leaf(
        self, host: str, is_ip: bool, public_key: CertificatePublicKeyTypes, lifetime: timedelta, now: datetime
    ) -> x509.Certificate:
        """
        A server certificate for one host, which must be in canonical form. Valid from a minute ago.

        Raises IronProxyError once the CA itself has expired.
        """
        remaining = self.not_after - now
        if remaining <= timedelta(0):
            raise IronProxyError(f"generating cert for {host}: the CA certificate expired on {self.not_after:%Y-%m-%d}")
        # Compared as durations: adding a lifetime of a thousand years to a date may overflow.
        not_after = self.not_after if lifetime >= remaining else now + lifetime
        builder = (
            x509.CertificateBuilder()
            .subject_name(_leaf_subject(host))
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(random_serial())
            .not_valid_before(max(self.certificate.not_valid_before_utc, now - BACKDATING))
            .not_valid_after(not_after)
        )
        for extension, critical in self._leaf_extensions(host, is_ip, public_key):
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, self._hash)

    def _leaf_extensions(
        self, host: str, is_ip: bool, public_key: CertificatePublicKeyTypes
    ) -> list[tuple[x509.ExtensionType, bool]]:
        # RFC 6125: an IP literal matches an iPAddress entry only, never a dNSName that looks like one.
        name = x509.IPAddress(ipaddress.ip_address(host)) if is_ip else x509.DNSName(host)
        return [
            # RFC 5280 section 4.2.1.6: critical where the subject is empty.
            (x509.SubjectAlternativeName([name]), not _fits_common_name(host)),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_LEAF_KEY_USAGE, True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (self._key_identifier, False),
            (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        ]


def _warn_of_open_key(files: CAFiles) -> None:
    # A warning and no more: files mounted into a container are often readable by all, with nobody else there to read.
    if files.key_mode & 0o007:
        _log.warning(
            "CA key is readable by other users",
            extra={"fields": {"path": files.key_path, "mode": f"{files.key_mode:04o}"}},
        )


def random_serial() -> int:
    """128 random bits, never zero: RFC 5280 section 4.1.2.2 wants a positive number."""
    return secrets.randbelow(2**128 - 1) + 1


def signature_hash(key: CAKey) -> SignatureHash:
    """The hash that goes with the signing key; None for Ed25519, which brings its own."""
    match key:
        case rsa.RSAPrivateKey():
            return hashes.SHA256()
        case ec.EllipticCurvePrivateKey():
            hash_of_size: dict[int, SignatureHash] = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
            return hash_of_size[key.curve.key_size]
        case _:
            return None


def _leaf_subject(host: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)] if _fits_common_name(host) else [])


def _fits_common_name(host: str) -> bool:
    return len(host) <= MAX_COMMON_NAME


def _key_identifier(certificate: x509.Certificate, key: CAKey) -> x509.AuthorityKeyIdentifier:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(extension.value)
