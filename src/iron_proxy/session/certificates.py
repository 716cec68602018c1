"""
The CA of a session: the configuration's, or one that is made for this run and exists in memory only.

And what programs are shown of it, which is everything but the key. Called by `preparation.py`.
"""

from typing import Final

from iron_proxy.certs.ca_files import CAFiles, read_ca_files
from iron_proxy.certs.generation import generate_ca
from iron_proxy.config.schema import TLSConfig
from iron_proxy.jail import trust

CA, BUNDLE, JAVA_STORE = "ca.crt", "ca-bundle.crt", "ca-bundle.p12"

# Longer than any session; its key is gone with the process anyway.
_EXPIRY_HOURS: Final = 30 * 24
_IN_MEMORY: Final = "the CA of this run"


def session_ca(tls: TLSConfig) -> CAFiles | None:
    """The CA to sign with; None when no TLS is terminated. Raises StartupError for files that cannot be read."""
    if tls.mode == "sni-only":
        return None
    if tls.ca_cert and tls.ca_key:
        return read_ca_files(tls.ca_cert, tls.ca_key)
    made = generate_ca("iron-proxy run", _EXPIRY_HOURS, "p256")
    return CAFiles(made.certificate_pem, made.key_pem, _IN_MEMORY, _IN_MEMORY)


def trust_files(ca_certificate: bytes) -> dict[str, bytes]:
    """What programs read their trust from, by file name: the CA, the bundle with the system's roots, Java's store."""
    roots = trust.system_roots()
    return {
        CA: ca_certificate,
        BUNDLE: trust.bundle_with(ca_certificate, roots),
        JAVA_STORE: trust.java_store_with(ca_certificate, roots),
    }
