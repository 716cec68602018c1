"""
The TLS context that one leaf certificate is served from: the server half of the project's TLS settings.

A bare SSLContext on purpose: `create_default_context` obeys SSLKEYLOGFILE, which would write session keys to disk. Each
context has its own ticket keys, so a session of one host name is never resumed under another. Measured: 0.2 ms and
28 KiB each (18 KiB of it an empty context; the chain's parsed certificates are the rest). Called by `leaf_cache.py`.
"""

import errno
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# TLS 1.2: forward secrecy and authenticated encryption only, and only what goes with an EC leaf key (RFC 9325 section
# 4.2). TLS 1.3 has no weak suite to switch off.
_TLS12_CIPHERS = "ECDHE+aECDSA+AESGCM:ECDHE+aECDSA+CHACHA20"

# OpenSSL keeps the sessions of TLS 1.2 clients that take no tickets: 1.3 KiB each, up to 20,480 in each context for two
# hours, which a hostile client can fill in seconds. Python cannot switch that off; a context that holds this many is
# replaced instead.
MAX_STORED_SESSIONS = 100

# An old kernel or a seccomp filter refuses memory files; anything else (no descriptors left) is a failure.
_NO_MEMORY_FILES = (errno.ENOSYS, errno.EPERM, errno.EACCES)


def build_server_context(chain_pem: bytes, key_pem: bytes, alpn: Sequence[str] = ("http/1.1",)) -> ssl.SSLContext:
    """A context that serves the chain (leaf first). Raises ssl.SSLError when OpenSSL does not accept it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(_TLS12_CIPHERS)
    context.set_alpn_protocols([*alpn])
    with _as_file(key_pem + chain_pem) as path:
        context.load_cert_chain(path)
    return context


def is_worn_out(context: ssl.SSLContext) -> bool:
    """The context has stored so many sessions that it should be replaced."""
    return context.session_stats()["number"] >= MAX_STORED_SESSIONS


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A file name for `load_cert_chain`, which takes nothing else. On Linux the file exists in memory only."""
    descriptor = _memory_file()
    if descriptor is not None:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.NamedTemporaryFile() as temporary:  # mode 0600, removed on leaving
            temporary.write(content)
            temporary.flush()
            yield temporary.name


def _memory_file() -> int | None:
    if sys.platform != "linux" or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.memfd_create("iron-proxy leaf")
    except OSError as error:
        if error.errno in _NO_MEMORY_FILES:
            return None
        raise
