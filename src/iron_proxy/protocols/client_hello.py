"""
Read a client's TLS ClientHello: which server it wants, before anything is answered (RFC 8446 section 4.1.2).

Only the fields that routing and policy need are kept; the cryptography is OpenSSL's business, which reads the same
bytes again, or the upstream's in sni-only mode. Two readers of the same bytes must not see different names, so what is
not exactly well-formed is refused here. The deadline is the caller's. Called by `proxy/inner_protocol.py`, the HTTPS
listener and `proxy/sni_passthrough.py`.
"""

from dataclasses import dataclass

from iron_proxy.errors import BadHandshake, BadRequest
from iron_proxy.messages.authority import parse_host

# A ClientHello that ends beyond this is refused. Browsers send about 2 KiB, post-quantum key share included; the cap
# bounds what one client can make us hold while it sends slowly. Record headers count too.
MAX_CLIENT_HELLO_BYTES = 16 * 1024

# RFC 8446 section 5.1: content type, legacy version, length. The minor version must be ignored.
_RECORD_HEADER_SIZE = 5
_HANDSHAKE_RECORD = b"\x16\x03"

# RFC 8446 section 4: message type, 24-bit length.
_MESSAGE_HEADER_SIZE = 4
_CLIENT_HELLO = 1

_RANDOM_SIZE = 32
_MAX_SESSION_ID_SIZE = 32

_SERVER_NAME = 0                # RFC 6066 section 3
_ALPN = 16                      # RFC 7301 section 3.1
_SUPPORTED_VERSIONS = 43        # RFC 8446 section 4.2.1

_HOST_NAME = 0
_TLS13 = b"\x03\x04"


@dataclass(frozen=True, slots=True)
class ClientHello:
    """
    What a client asks for when it opens TLS.

    `server_name` is in canonical form (lower case, no trailing dot), None when the client names none. `legacy_version`
    is the highest version that a client without `supports_tls13` speaks, as on the wire (0x0303 is TLS 1.2).
    """

    server_name: str | None
    alpn: tuple[bytes, ...]
    supports_tls13: bool
    legacy_version: int


class ClientHelloParser:
    """Collects the bytes of one ClientHello. Of no further use once it has answered or raised."""

    def __init__(self) -> None:
        self._consumed = bytearray()
        self._next_record = 0
        self._message = bytearray()

    @property
    def consumed(self) -> bytes:
        """Every byte received, to be replayed; early data that followed the ClientHello included."""
        return bytes(self._consumed)

    def receive(self, data: bytes) -> ClientHello | None:
        """Take the next bytes; None while the rest is still on its way. Raises BadHandshake."""
        self._consumed += data
        while (fragment := self._take_record()) is not None:
            self._message += fragment
            if self._message_is_complete():
                return _parse_client_hello(bytes(self._message[_MESSAGE_HEADER_SIZE:]))
        return None

    def _take_record(self) -> bytes | None:
        content = self._next_record + _RECORD_HEADER_SIZE
        header = bytes(self._consumed[self._next_record : content])
        if not _HANDSHAKE_RECORD.startswith(header[:2]):
            raise BadHandshake("not a TLS handshake record")
        if len(header) < _RECORD_HEADER_SIZE:
            return None
        length = int.from_bytes(header[3:])
        if length == 0:                         # forbidden for handshake records (RFC 8446 section 5.1)
            raise BadHandshake("an empty TLS handshake record")
        end = content + length
        if end > MAX_CLIENT_HELLO_BYTES:
            raise _too_large()
        if len(self._consumed) < end:
            return None
        self._next_record = end
        return bytes(self._consumed[content:end])

    def _message_is_complete(self) -> bool:
        message = self._message
        if message[0] != _CLIENT_HELLO:
            raise BadHandshake("the first TLS handshake message is not a ClientHello")
        if len(message) < _MESSAGE_HEADER_SIZE:
            return False
        end = _MESSAGE_HEADER_SIZE + int.from_bytes(message[1:_MESSAGE_HEADER_SIZE])
        if end > MAX_CLIENT_HELLO_BYTES - _RECORD_HEADER_SIZE:
            raise _too_large()
        if len(message) > end:                  # RFC 8446 section 5.1: a ClientHello ends where its record ends
            raise BadHandshake("bytes follow the ClientHello inside its TLS record")
        return len(message) == end


def _parse_client_hello(body: bytes) -> ClientHello:
    fields = _Fields(body)
    legacy_version = fields.integer(2)
    fields.take(_RANDOM_SIZE)
    session_id, cipher_suites, compression_methods = fields.vector(1), fields.vector(2), fields.vector(1)
    if len(session_id) > _MAX_SESSION_ID_SIZE or not cipher_suites or len(cipher_suites) % 2 or not compression_methods:
        raise _malformed()
    extensions = _parse_extensions(fields)
    return ClientHello(
        server_name=_parse_server_name(extensions.get(_SERVER_NAME)),
        alpn=_parse_alpn(extensions.get(_ALPN)),
        supports_tls13=_TLS13 in _parse_supported_versions(extensions.get(_SUPPORTED_VERSIONS)),
        legacy_version=legacy_version,
    )


def _parse_extensions(fields: "_Fields") -> dict[int, bytes]:
    if fields.are_read:                         # TLS 1.2 and older may end here (RFC 5246 section 7.4.1.2)
        return {}
    block = _Fields(fields.vector(2))
    if not fields.are_read:
        raise _malformed()
    extensions: dict[int, bytes] = {}
    while not block.are_read:
        extension, content = block.integer(2), block.vector(2)
        if extension in extensions:             # one reader would take the first, another the last
            raise BadHandshake("the ClientHello holds an extension twice")
        extensions[extension] = content
    return extensions


def _parse_server_name(extension: bytes | None) -> str | None:
    if extension is None:
        return None
    names = _sole_vector(extension, 2)
    name_type, name = names.integer(1), names.vector(2)
    if name_type != _HOST_NAME or not names.are_read:
        raise BadHandshake("the server name extension does not hold exactly one host name")
    try:
        host, is_ip = parse_host(name)
    except BadRequest:
        raise BadHandshake("the server name is not a host name") from None
    if is_ip:                                   # RFC 6066 section 3
        raise BadHandshake("the server name is an IP address")
    return host


def _parse_alpn(extension: bytes | None) -> tuple[bytes, ...]:
    if extension is None:
        return ()
    names = _sole_vector(extension, 2)
    protocols: list[bytes] = []
    while not names.are_read:
        protocols.append(names.vector(1))
    if b"" in protocols:
        raise _malformed()
    return tuple(protocols)


def _parse_supported_versions(extension: bytes | None) -> list[bytes]:
    if extension is None:
        return []
    versions = _sole_vector(extension, 1)
    supported: list[bytes] = []
    while not versions.are_read:
        supported.append(versions.take(2))
    return supported


def _sole_vector(extension: bytes, length_size: int) -> "_Fields":
    """The inside of an extension that is one vector, not empty, and nothing else."""
    fields = _Fields(extension)
    content = fields.vector(length_size)
    if not content or not fields.are_read:
        raise _malformed()
    return _Fields(content)


class _Fields:
    """Reads fields off the front of a byte string; what is cut short is malformed."""

    __slots__ = ("_content", "_position")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    @property
    def are_read(self) -> bool:
        return self._position == len(self._content)

    def take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._content):
            raise _malformed()
        taken = self._content[self._position : end]
        self._position = end
        return taken

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, length_size: int) -> bytes:
        return self.take(self.integer(length_size))


def _malformed() -> BadHandshake:
    return BadHandshake("malformed ClientHello")


def _too_large() -> BadHandshake:
    return BadHandshake(f"the ClientHello is larger than {MAX_CLIENT_HELLO_BYTES} bytes")
