"""
From the bytes of the CA's files to certificates and a key.

More forgiving than a strict PEM reader where files in the field need it: text between blocks, a key in front of the
certificate in a combined file, `EC PARAMETERS` in front of an EC key. Whether the certificate is fit to sign is for
`authority.py`. Parse errors are told in our own words: a parser's message could quote the key.
"""

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.errors import StartupError

CAKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\r?\n(.*?)-----END \1-----", re.DOTALL)
# RFC 1421 headers inside a block; OpenSSL's traditional key encryption announces itself here.
_HEADERS = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*)+\r?\n")
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class _Block(NamedTuple):
    label: str
    headers: bytes
    body: bytes

    def der(self) -> bytes:
        return binascii.a2b_base64(self.body)


def parse_ca_certificates(files: CAFiles) -> list[x509.Certificate]:
    """
    Every certificate of the file, in order; at least one.

    Raises StartupError when there is none or when one cannot be read.
    """
    blocks = [block for block in _blocks(files.certificate) if block.label in ("CERTIFICATE", "X509 CERTIFICATE")]
    if not blocks:
        raise _no_block("CA cert", files.certificate_path, files.certificate, "BEGIN CERTIFICATE")
    return [_parse_certificate(block, number, files) for number, block in enumerate(blocks, start=1)]


def parse_ca_key(files: CAFiles) -> CAKey:
    """The first private key of the file. Raises StartupError when it cannot be read or cannot sign for TLS."""
    block = next((block for block in _blocks(files.key) if block.label.endswith("PRIVATE KEY")), None)
    if block is None:
        raise _no_block("CA key", files.key_path, files.key, "BEGIN PRIVATE KEY")
    if block.label == "ENCRYPTED PRIVATE KEY" or b"ENCRYPTED" in block.headers:
        raise _bad_key(
            files, f"the key is encrypted; decrypt it first: openssl pkey -in {files.key_path} -out plain.key"
        )
    try:
        key = load_der_private_key(block.der(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _bad_key(files, "the file is damaged, or the key is of another kind") from None
    return _check_kind(key, files)


def _check_kind(key: object, files: CAFiles) -> CAKey:
    if isinstance(key, ec.EllipticCurvePrivateKey) and not isinstance(key.curve, _CURVES):
        raise _bad_key(files, f"EC curve {key.curve.name} is not usable for TLS; use P-256, P-384 or P-521")
    if not isinstance(key, CAKey):
        raise _bad_key(files, "the key is neither RSA, EC nor Ed25519")
    return key


def _blocks(content: bytes) -> Iterator[_Block]:
    for match in _BLOCK.finditer(content):
        headers = _HEADERS.match(match[2])
        body = match[2][headers.end() :] if headers else match[2]
        yield _Block(match[1].decode("ascii"), headers[0] if headers else b"", body)


def _parse_certificate(block: _Block, number: int, files: CAFiles) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(block.der())
        # Both are parsed only when first asked for; a damaged one has to show now.
        certificate.extensions, certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise StartupError(
            f"parsing CA cert: {files.certificate_path}: certificate {number} of the file is damaged; "
            f"look at it with: openssl x509 -noout -text -in {files.certificate_path}"
        ) from None
    return certificate


def _no_block(what: str, path: str, content: bytes, wanted: str) -> StartupError:
    found = "is empty" if not content.strip() else f'holds no complete "-----{wanted}-----" block'
    return StartupError(f"no PEM block found in {what}: {path} {found}; make a CA with: iron-proxy generate-ca")


def _bad_key(files: CAFiles, reason: str) -> StartupError:
    return StartupError(f"parsing CA key (tried PKCS8, PKCS1, and EC formats): {files.key_path}: {reason}")
