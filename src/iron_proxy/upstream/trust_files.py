"""
The files that `proxy.upstream_tls` names, read and checked: CAs to trust, and our own certificate with its key.

A problem is told at the start, with the file and a remedy: later it would show as handshakes that fail for no visible
reason. Messages are our own, for a parser's could quote a key. `trust.py` makes contexts of them.
"""

import binascii
import logging
import os
import re
import ssl
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from iron_proxy.errors import StartupError

_log = logging.getLogger("iron_proxy.upstream")

# A bundle of all the world's roots has some 250 KiB; the cap is for a path that names a device or a log file.
MAX_FILE_BYTES = 4 * 1024 * 1024

_CERTIFICATE = re.compile(rb"-----BEGIN (X509 |)CERTIFICATE-----\r?\n(.*?)-----END \1CERTIFICATE-----", re.DOTALL)
_ENCRYPTED = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")


def read_ca_certificates(path: str, setting: str) -> list[bytes]:
    """Every certificate of a PEM file in DER, at least one; warns of an expired one. Raises StartupError."""
    blocks = _CERTIFICATE.findall(_read(path, setting))
    if not blocks:
        raise StartupError(
            f"{setting}: {path} holds no certificate in PEM form; convert it with: openssl x509 -in {path} -inform DER"
        )
    return [_checked_certificate(block, number, path, setting) for number, (_, block) in enumerate(blocks, 1)]


def _checked_certificate(block: bytes, number: int, path: str, setting: str) -> bytes:
    try:
        der = binascii.a2b_base64(block)
        certificate = x509.load_der_x509_certificate(der)
    except (ValueError, UnsupportedAlgorithm):
        raise StartupError(
            f"{setting}: certificate {number} of {path} is damaged; take it out of the file or fetch it anew"
        ) from None
    _warn_if_expired(certificate, path, setting)
    return der


def load_client_certificate(context: ssl.SSLContext, cert_path: str, key_path: str, place: str) -> None:
    """Have a context show our certificate to upstreams that ask for one. Raises StartupError."""
    cert_setting, key_setting = f"{place}.client_cert", f"{place}.client_key"
    certificate = _client_certificate(_read(cert_path, cert_setting), cert_path, cert_setting)
    key = _client_key(_read(key_path, key_setting), key_path, key_setting)
    if _public_der(certificate.public_key()) != _public_der(key.public_key()):
        raise StartupError(f"{key_setting}: {key_path} is not the key of the certificate in {cert_path}")
    _warn_if_expired(certificate, cert_path, cert_setting)
    try:
        # A password is never asked for: OpenSSL would put the question on the terminal and wait.
        context.load_cert_chain(cert_path, key_path, password=lambda: b"")
    except (OSError, ssl.SSLError):
        raise StartupError(
            f"{cert_setting}: OpenSSL does not take {cert_path} with {key_path}; a certificate signed with SHA-1, or a "
            "key shorter than 2048 bits (RSA), is too weak for it"
        ) from None


def _client_certificate(content: bytes, path: str, setting: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(content)
    except (ValueError, UnsupportedAlgorithm):
        raise StartupError(
            f"{setting}: {path} does not begin with a certificate in PEM form; put the client's certificate first and "
            "the intermediate CAs behind it"
        ) from None


def _client_key(content: bytes, path: str, setting: str) -> PrivateKeyTypes:
    if any(mark in content for mark in _ENCRYPTED):
        raise StartupError(
            f"{setting}: the key in {path} is encrypted; decrypt it first: openssl pkey -in {path} -out plain.key"
        )
    try:
        return load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise StartupError(f"{setting}: {path} holds no private key in PEM form, or a damaged one") from None


def _public_der(key: object) -> bytes:
    public_bytes: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # every kind of public key has it
    return public_bytes


def _warn_if_expired(certificate: x509.Certificate, path: str, setting: str) -> None:
    ends = certificate.not_valid_after_utc
    if datetime.now(UTC) >= ends:
        _log.warning(
            "certificate has expired",
            extra={"fields": {"setting": setting, "file": path, "expired": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}},
        )


def _read(path: str, setting: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno is not None else type(error).__name__
        raise StartupError(f"{setting}: reading {path}: {reason}; {_remedy(error)}") from error
    except ValueError:  # a NUL in the name: open() does not even try
        raise StartupError(f"{setting}: {path!r} is not a file name") from None
    if len(content) > MAX_FILE_BYTES:
        raise StartupError(f"{setting}: {path} is larger than 4 MiB; it must be a PEM file")
    return content


def _remedy(error: OSError) -> str:
    match error:
        case PermissionError():
            return "let the user that runs iron-proxy read it"
        case IsADirectoryError():
            return "name a PEM file in it"
        case _:
            return "check the path"
