"""
Signatures under the audit log's chain (Ed25519, RFC 8032): who can write the file cannot sign it without the key.

A signature stands for every line up to the one that it names, as the chain's hash does. Keys are PEM files, made by
`iron-proxy audit keygen`. Used by `trail.py` and `verification.py`.
"""

import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from iron_proxy.errors import StartupError

# A PEM file of either kind is some hundred bytes.
_MAX_KEY_FILE: Final = 64 * 1024


class Signer:
    """Holds the private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = _key_id(key.public_key())

    def sign(self, number: int, digest: bytes) -> str:
        """The signature, in base64, of a chain up to a line."""
        return b64encode(self._key.sign(_message(number, digest))).decode("ascii")


class Verifier:
    """Holds the public key."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.key_id = _key_id(key)

    def accepts(self, number: int, digest: bytes, signature: str) -> bool:
        """Whether this key's owner has signed the chain up to a line."""
        try:
            self._key.verify(b64decode(signature, validate=True), _message(number, digest))
        except (InvalidSignature, Base64Error, ValueError):
            return False
        return True


def new_key_pair() -> tuple[bytes, bytes]:
    """A new private key and its public key, in PEM."""
    key = Ed25519PrivateKey.generate()
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def read_signer(path: str, what: str = "audit.sign_key") -> Signer:
    """The private key in a file. Raises StartupError."""
    try:
        key = load_pem_private_key(_content(path, what), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StartupError(f"{what}: {path}: not an unencrypted private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StartupError(f"{what}: {path}: not an Ed25519 key; make one with `iron-proxy audit keygen`")
    return Signer(key)


def read_verifier(path: str, what: str = "-key") -> Verifier:
    """The public key in a file. Raises StartupError."""
    try:
        key = load_pem_public_key(_content(path, what))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise StartupError(f"{what}: {path}: not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise StartupError(f"{what}: {path}: not an Ed25519 key")
    return Verifier(key)


def write_key_pair(private_path: str, public_path: str) -> None:
    """Make a pair and both files, 0600 and 0644; nothing is overwritten. Raises StartupError, and leaves no half."""
    private, public = new_key_pair()
    _create(private_path, 0o600, private)
    try:
        _create(public_path, 0o644, public)
    except StartupError:
        os.unlink(private_path)
        raise


def _create(path: str, mode: int, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
    except OSError as error:
        raise StartupError(f"cannot create {path}: {(error.strerror or 'failed').lower()}") from error


def _content(path: str, what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_KEY_FILE)
    except OSError as error:
        raise StartupError(f"{what}: {path}: {(error.strerror or 'failed').lower()}") from error


def _message(number: int, digest: bytes) -> bytes:
    """What is signed. It says what it is, so that a signature of the key under something else is of no use here."""
    return b"iron-proxy audit log\n%d\n%b\n" % (number, digest)


def _key_id(key: Ed25519PublicKey) -> str:
    """A short name for a key: the beginning of its hash."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]
