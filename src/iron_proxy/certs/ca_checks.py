"""
Whether a CA certificate and its key are fit to sign leaves that clients will accept.

Each check says at start what would otherwise show as handshakes that fail for no visible reason. Called by
`authority.py` only, with what `ca_parsing.py` made of the files.
"""

from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.certs.ca_parsing import CAKey
from iron_proxy.errors import StartupError

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def check_may_sign(certificate: x509.Certificate, files: CAFiles) -> None:
    """Raise StartupError unless the certificate says that it is a CA and may sign certificates."""
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise _unfit(files, "certificate is not a CA (BasicConstraints.IsCA is false)")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.key_cert_sign:
        raise _unfit(files, "CA certificate missing KeyUsageCertSign")


def check_validity(certificate: x509.Certificate, files: CAFiles, now: datetime) -> None:
    """Raise StartupError when the CA has expired or is not valid yet."""
    if now >= certificate.not_valid_after_utc:
        raise StartupError(
            f"CA certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC: "
            f"{files.certificate_path}; make a new one with: iron-proxy generate-ca"
        )
    if now < certificate.not_valid_before_utc:
        raise StartupError(
            f"CA certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC: "
            f"{files.certificate_path}; check this machine's clock"
        )


def check_pair(certificate: x509.Certificate, key: CAKey, files: CAFiles) -> None:
    """Raise StartupError unless the key is the certificate's."""
    if _public_der(certificate) != key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise StartupError(
            f"CA key does not match the CA certificate: {files.key_path} is not the key of {files.certificate_path}; "
            "check that tls.ca_cert and tls.ca_key name files of the same CA"
        )


def issuing_chain(certificates: list[x509.Certificate]) -> list[x509.Certificate]:
    """
    The signer and, as far as they follow in the file, its issuers.

    What does not continue the chain is left out: a bundle of every root in the world is sent to nobody.
    """
    chain = certificates[:1]
    for candidate in certificates[1:]:
        last = chain[-1]
        if last.issuer == last.subject or last.issuer != candidate.subject:
            break
        chain.append(candidate)
    return chain


def check_path_lengths(chain: list[x509.Certificate], files: CAFiles) -> None:
    """Raise StartupError when an issuer allows fewer CAs below it than there are (RFC 5280 section 4.2.1.9)."""
    for cas_below, certificate in enumerate(chain):
        constraints = _extension(certificate, x509.BasicConstraints)
        if constraints is not None and constraints.path_length is not None and constraints.path_length < cas_below:
            raise _unfit(
                files,
                f"certificate {cas_below + 1} of the CA chain allows {constraints.path_length} CAs below it and has "
                f"{cas_below} (BasicConstraints.PathLen)",
            )


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _public_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _unfit(files: CAFiles, reason: str) -> StartupError:
    return StartupError(f"{reason}: {files.certificate_path}; make a CA with: iron-proxy generate-ca")
