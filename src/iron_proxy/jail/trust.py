"""
The certificates that a workload is to trust: the roots of its system, and the proxy's CA.

The CA alone would do where all traffic passes the proxy, but programs that load a bundle also meet what is passed
through, and some take an empty-looking store for a broken one. Nothing is written here but by `write_trust_file`, where
the caller says. Called by `cli/env.py`, `doctor/` and whoever starts a program inside; which variable names which file
is `client_environment.py`'s matter.
"""

import binascii
import os
import re
import ssl
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from iron_proxy.errors import StartupError, system_reason

# Where systems keep all their roots in one PEM file; the first that is there counts.
SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",                  # Debian, Ubuntu, Alpine, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",   # Red Hat, Fedora
    "/etc/pki/tls/certs/ca-bundle.crt",                    # Red Hat, by its older name
    "/var/lib/ca-certificates/ca-bundle.pem",              # SUSE
    "/etc/ssl/ca-bundle.pem",                              # SUSE, by its older name
    "/etc/pki/tls/cacert.pem",                             # OpenELEC and its like
    "/etc/pki/tls/cert.pem",                               # Red Hat, OpenSSL's own default
    "/etc/ssl/cert.pem",                                   # Alpine, macOS, the BSDs
    "/usr/local/share/certs/ca-root-nss.crt",              # FreeBSD
    "/usr/local/etc/openssl/cert.pem",                     # Homebrew
)  # fmt: skip

# Java wants a password for a store of certificates, which everybody may read. This is its own default.
JAVA_STORE_PASSWORD: Final = "changeit"  # noqa: S105 - no secret, by the above

# A bundle of all the world's roots has some 250 KiB; the cap is for a path that names a device or a log file.
MAX_FILE_BYTES: Final = 4 * 1024 * 1024

# Tells a bundle of ours, so that a new one does not take over the CA of an old one. Readers skip what is outside of
# the blocks (RFC 7468 section 2).
_MARK: Final = b"# iron-proxy: the roots of the system, and below them the proxy's CA\n"
_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN (X509 |)CERTIFICATE-----\r?\n(.*?)-----END \1CERTIFICATE-----", re.DOTALL
)
# base64 in lines of 64 characters (RFC 7468 section 2).
_BYTES_A_LINE: Final = 48


class SystemRoots(NamedTuple):
    """Root certificates in DER, and the files that they come from."""

    certificates: tuple[bytes, ...]
    sources: tuple[str, ...]


def certificates_of(pem: bytes) -> list[bytes]:
    """Every certificate of a PEM text in DER, each once, in order. What is damaged is left out."""
    found: dict[bytes, None] = {}
    for block in _CERTIFICATE.finditer(pem):
        with suppress(binascii.Error):
            found[binascii.a2b_base64(block[2])] = None
    return list(found)


def read_ca_certificate(path: str) -> bytes:
    """The bytes of the CA's certificate file. Raises StartupError naming it when it holds no certificate."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = system_reason(error) if isinstance(error, OSError) else "not a file name"
        raise StartupError(f"reading CA cert: {path}: {reason}; make a CA with: iron-proxy generate-ca") from error
    if len(content) > MAX_FILE_BYTES or not certificates_of(content):
        raise StartupError(f"reading CA cert: {path} holds no certificate in PEM form")
    return content


def system_roots(environment: Mapping[str, str] | None = None, paths: Iterable[str] = SYSTEM_BUNDLES) -> SystemRoots:
    """
    The roots that this machine trusts: the system's bundle, and what SSL_CERT_FILE adds to it.

    Without a system bundle, OpenSSL's default file, then that of the Python package certifi. Bundles that were made
    here are no source: their CA may be yesterday's.
    """
    environment = os.environ if environment is None else environment
    found = (*paths, ssl.get_default_verify_paths().openssl_cafile, _certifi_bundle())
    bundle = next((path for path in found if path and _roots_in(path)), "")
    certificates: dict[bytes, None] = {}
    sources = []
    for path in (bundle, environment.get("SSL_CERT_FILE", "")):
        new = [each for each in _roots_in(path) if each not in certificates]
        if new:
            certificates |= dict.fromkeys(new)
            sources.append(path)
    return SystemRoots(tuple(certificates), tuple(sources))


def bundle_with(ca_pem: bytes, roots: SystemRoots | None = None) -> bytes:
    """The text of a PEM bundle: the system's roots (looked for unless given) and our CA, each certificate once."""
    roots = system_roots() if roots is None else roots
    certificates = dict.fromkeys([*roots.certificates, *certificates_of(ca_pem)])
    return _MARK + b"".join(map(_pem, certificates))


def java_store_with(ca_pem: bytes, roots: SystemRoots | None = None) -> bytes:
    """
    The same certificates as a PKCS#12 trust store, the form that Java reads; its password is JAVA_STORE_PASSWORD.

    A root that cannot be parsed is left out.
    """
    roots = system_roots() if roots is None else roots
    entries = []
    for number, der in enumerate(dict.fromkeys([*certificates_of(ca_pem), *roots.certificates])):
        certificate = _parse(der)
        if certificate is not None:
            # Java keeps entries by name, and of two with the same one only the last.
            entries.append(pkcs12.PKCS12Certificate(certificate, f"iron-proxy-{number}".encode()))
    return pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(JAVA_STORE_PASSWORD.encode()))


def trust_targets(paths: Iterable[str] = SYSTEM_BUNDLES) -> list[str]:
    """
    The files over which a bundle may be bind-mounted, so that programs that read no variable trust our CA.

    The system bundles that are there, with links followed (what is mounted over a link hides its target), each once.
    """
    return list(dict.fromkeys(os.path.realpath(path) for path in paths if os.path.isfile(path)))


def holds_ca(path: str, ca_pem: bytes) -> bool:
    """Whether a PEM file holds every certificate of the CA's file; False for what cannot be read."""
    return set(certificates_of(ca_pem)) <= set(certificates_of(_read(path)))


def write_trust_file(path: str, content: bytes) -> None:
    """
    Write a file for all to read, in one step: whoever opens it sees the old content or the new.

    Raises StartupError with a remedy.
    """
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".iron-proxy-", dir=os.path.dirname(path) or ".")
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)
        reason = system_reason(error)
        raise StartupError(f"writing {path}: {reason}; name another place with: -bundle FILE") from error


def _roots_in(path: str) -> list[bytes]:
    content = _read(path)
    return [] if content.startswith(_MARK) else certificates_of(content)


def _certifi_bundle() -> str:
    """Found, not imported: the package is no dependency of ours."""
    spec = find_spec("certifi")
    return os.path.join(os.path.dirname(spec.origin), "cacert.pem") if spec is not None and spec.origin else ""


def _read(path: str) -> bytes:
    """What a file holds; nothing for one that is too large or cannot be read."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        return b""
    return b"" if len(content) > MAX_FILE_BYTES else content


def _pem(der: bytes) -> bytes:
    lines = (binascii.b2a_base64(der[start : start + _BYTES_A_LINE]) for start in range(0, len(der), _BYTES_A_LINE))
    return b"-----BEGIN CERTIFICATE-----\n" + b"".join(lines) + b"-----END CERTIFICATE-----\n"


def _parse(der: bytes) -> x509.Certificate | None:
    with warnings.catch_warnings():
        # Old roots break newer rules (a serial number of zero); whether to trust them is the system's decision.
        warnings.simplefilter("ignore")
        try:
            return x509.load_der_x509_certificate(der)
        except ValueError:
            return None
