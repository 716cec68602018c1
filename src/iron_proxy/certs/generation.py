"""
Make a CA: a self-signed certificate that may sign leaves and nothing else, and its key.

`generate_ca` makes one in memory, `write_ca` puts it on disk without ever overwriting, following a link or leaving half
a pair. Called by `cli/generate_ca.py`.
"""

import errno
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from iron_proxy.certs.authority import BACKDATING, MAX_COMMON_NAME, random_serial, signature_hash
from iron_proxy.certs.ca_parsing import CAKey
from iron_proxy.errors import StartupError, system_reason

ALGORITHMS = ("rsa4096", "ed25519", "p256")

_CA_KEY_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class GeneratedCA:
    """A new CA in PEM."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


class CAPaths(NamedTuple):
    """Where a CA's two files are."""

    certificate: str
    key: str


def generate_ca(name: str, expiry_hours: int, algorithm: str, now: datetime | None = None) -> GeneratedCA:
    """A new self-signed CA. RSA takes a second or more. Raises StartupError for what no CA can be made of."""
    if algorithm not in ALGORITHMS:
        raise StartupError(f'unsupported algorithm "{algorithm}" (use rsa4096, ed25519 or p256)')
    _check_name(name)
    start = now or datetime.now(UTC)
    end = _expiry(expiry_hours, start)
    key = _generate_key(algorithm)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(random_serial())
        .not_valid_before(start - BACKDATING)
        .not_valid_after(end)
        # It signs leaves, never another CA.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_KEY_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, signature_hash(key))
    )
    return GeneratedCA(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def ca_paths(outdir: str) -> CAPaths:
    """The names of the two files in a folder. Raises StartupError when the folder has no name."""
    if not outdir:
        raise StartupError("-outdir must name a folder; use . for the current one")
    return CAPaths(os.path.normpath(os.path.join(outdir, "ca.crt")), os.path.normpath(os.path.join(outdir, "ca.key")))


def check_nothing_in_the_way(paths: CAPaths) -> None:
    """
    Raise StartupError when either file exists, be it as a link or a pipe.

    `write_ca` finds that out too; asking first saves the seconds an RSA key takes.
    """
    for path in paths:
        if os.path.lexists(path):
            raise _cannot_create(path, FileExistsError(errno.EEXIST, ""))


def write_ca(paths: CAPaths, ca: GeneratedCA) -> None:
    """
    Create both files: the certificate with mode 0644, the key with 0600, whatever the umask.

    Raises StartupError when either cannot be created or written; then neither is left behind.
    """
    _make_folders(os.path.dirname(paths.certificate))
    wanted = ((paths.certificate, 0o644, ca.certificate_pem), (paths.key, 0o600, ca.key_pem))
    created: dict[str, int] = {}
    try:
        for path, _, _ in wanted:
            created[path] = _create(path)
        for path, mode, content in wanted:
            _write(path, created[path], mode, content)
    except BaseException:  # also an interrupt: half a CA is worse than none
        for path in created:
            with suppress(OSError):
                os.unlink(path)
        raise
    finally:
        for descriptor in created.values():
            os.close(descriptor)


def _check_name(name: str) -> None:
    if not name:
        raise StartupError("-name must not be empty")
    if not name.isprintable():  # also bytes on the command line that are not UTF-8
        raise StartupError("-name must be printable text in UTF-8")
    size = len(name.encode())
    if size > MAX_COMMON_NAME:
        raise StartupError(
            f"-name must be at most {MAX_COMMON_NAME} bytes long, the X.509 limit for a common name; got {size}"
        )


def _expiry(expiry_hours: int, start: datetime) -> datetime:
    if expiry_hours <= 0:
        raise StartupError(f"-expiry-hours must be positive; got {expiry_hours}")
    try:
        return start + timedelta(hours=expiry_hours)
    except OverflowError:
        raise StartupError(f"-expiry-hours is too large: {expiry_hours} hours end after the year 9999") from None


def _generate_key(algorithm: str) -> CAKey:
    match algorithm:
        case "rsa4096":
            return rsa.generate_private_key(public_exponent=65537, key_size=4096)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return ec.generate_private_key(ec.SECP256R1())


def _make_folders(folder: str) -> None:
    """Like `mkdir -p` with mode 0755 for every level: os.makedirs would leave the upper ones open to the umask."""
    if not folder or os.path.isdir(folder):
        return
    _make_folders(os.path.dirname(folder))
    try:
        os.mkdir(folder, 0o755)
    except OSError as error:
        if os.path.isdir(folder):  # somebody else made it just now
            return
        if isinstance(error, FileExistsError):
            raise StartupError(f"creating {folder}: it exists and is not a directory") from error
        raise _cannot_create(folder, error) from error


def _create(path: str) -> int:
    # NOFOLLOW is implied by EXCL on Linux; other systems want it said.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise _cannot_create(path, error) from error


def _write(path: str, descriptor: int, mode: int, content: bytes) -> None:
    try:
        os.fchmod(descriptor, mode)  # here and not in open: the umask has no say
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
    except OSError as error:
        raise StartupError(f"writing {path}: {system_reason(error)}") from error


def _cannot_create(path: str, error: OSError) -> StartupError:
    remedy = ""
    if isinstance(error, FileExistsError):
        remedy = "; a CA is never overwritten: choose another -outdir, or move ca.crt and ca.key away"
    return StartupError(f"creating {path}: {system_reason(error)}{remedy}")
