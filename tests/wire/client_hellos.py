"""
TLS ClientHellos as they stand on the wire: built field by field (RFC 8446 section 4.1.2), or made by OpenSSL.

Every part can be replaced, so that a test shows exactly which byte it spoils.
"""

import ssl
from collections.abc import Sequence

TLS10, TLS11, TLS12, TLS13 = 0x0301, 0x0302, 0x0303, 0x0304
GREASE = 0x6A6A  # RFC 8701: a value that every reader must ignore
ANOTHER_GREASE = 0xDADA

RANDOM = bytes(range(32))
SESSION_ID = bytes(range(100, 132))
CIPHER_SUITES = bytes.fromhex("6a6a 1301 1302 c02b 009c")  # the first one is GREASE
NULL_COMPRESSION = b"\x00"

CLIENT_HELLO, SERVER_HELLO = 1, 2
HANDSHAKE, ALERT, APPLICATION_DATA = 22, 21, 23


def vector(length_size: int, content: bytes) -> bytes:
    """`content` behind its length."""
    return len(content).to_bytes(length_size) + content


def extension(number: int, content: bytes) -> bytes:
    return number.to_bytes(2) + vector(2, content)


def server_name_entry(name: bytes, name_type: int = 0) -> bytes:
    return bytes((name_type,)) + vector(2, name)


def server_name(*names: bytes) -> bytes:
    """The server_name extension with these host names (RFC 6066 allows one)."""
    return extension(0, vector(2, b"".join(map(server_name_entry, names))))


def alpn(*protocols: bytes) -> bytes:
    return extension(16, vector(2, b"".join(vector(1, protocol) for protocol in protocols)))


def supported_versions(*versions: int) -> bytes:
    return extension(43, vector(1, b"".join(version.to_bytes(2) for version in versions)))


def client_hello_body(
    *extensions: bytes,
    legacy_version: int = TLS12,
    session_id: bytes = SESSION_ID,
    cipher_suites: bytes = CIPHER_SUITES,
    compression_methods: bytes = NULL_COMPRESSION,
    has_extensions: bool = True,
) -> bytes:
    """The fields of a ClientHello; `has_extensions=False` ends it after the compression methods."""
    fields = (
        legacy_version.to_bytes(2)
        + RANDOM
        + vector(1, session_id)
        + vector(2, cipher_suites)
        + vector(1, compression_methods)
    )
    return fields + vector(2, b"".join(extensions)) if has_extensions else fields


def message(body: bytes, message_type: int = CLIENT_HELLO) -> bytes:
    """A handshake message."""
    return bytes((message_type,)) + vector(3, body)


def record(fragment: bytes, content_type: int = HANDSHAKE, version: int = TLS10) -> bytes:
    """A TLS record."""
    return bytes((content_type,)) + version.to_bytes(2) + vector(2, fragment)


def records(content: bytes, fragment_size: int) -> bytes:
    """One handshake message over as many records as it takes."""
    fragments = [content[start : start + fragment_size] for start in range(0, len(content), fragment_size)]
    return b"".join(map(record, fragments))


def client_hello(*extensions: bytes) -> bytes:
    """A whole, ordinary ClientHello in one record."""
    return record(message(client_hello_body(*extensions)))


def openssl_client_hello(
    name: str | None,
    alpn_protocols: Sequence[str] = (),
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> bytes:
    """What a Python client on OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version, context.maximum_version = oldest, newest
    if alpn_protocols:
        context.set_alpn_protocols(list(alpn_protocols))
    sent = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return sent.read()
