"""
The opening of a WebSocket (RFC 6455 section 4) or another upgrade: what a client may ask, an upstream must answer.

After an upgrade the bytes are no longer HTTP and no policy sees them, so a relay may begin only behind a 101 that
proves that the upstream has switched: else a client could keep an HTTP connection open under the name of a WebSocket
and send any request on it. Frames are not looked at here. Called by `proxy/websocket.py`, which gets
the Connection and Upgrade fields set apart from the others by `http1`.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from iron_proxy.errors import BadRequest, UpstreamProtocolError
from iron_proxy.messages.headers import Headers

# RFC 6455 section 1.3: appended to the client's key, so that no server answers rightly by accident.
_ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Sixteen bytes in base64 (RFC 6455 section 4.1). The unused bits of the last letter are the client's own affair.
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")

_SUPPORTED_VERSION = b"13"

# Offers that a server may pass over (RFC 9110 section 7.8), and clients count on it: curl and Java offer h2c with plain
# requests and take an answer in HTTP/1.1. HTTP/2 behind the offer would be a way past every rule.
_PASSED_OVER = frozenset((b"h2c",))


def wanted_upgrade(upgrade: Sequence[bytes], connection: frozenset[bytes]) -> bytes | None:
    """
    What a request asks to be switched to, in lower case; None for nothing, or only what may be passed over.

    `upgrade` holds the values of its Upgrade fields, `connection` its lower-case connection options. A list of several
    comes back as a list, which is the name of no protocol.
    """
    if b"upgrade" not in connection:
        return None
    members = [member.strip(b" \t").lower() for value in upgrade for member in value.split(b",")]
    return b", ".join(member for member in members if member and member not in _PASSED_OVER) or None


def wants_websocket(upgrade: Sequence[bytes], connection: frozenset[bytes]) -> bool:
    """
    Whether a request asks to become a WebSocket.

    `upgrade` holds the values of its Upgrade fields, `connection` its lower-case connection options.
    """
    return len(upgrade) == 1 and upgrade[0].lower() == b"websocket" and b"upgrade" in connection


def check_upgrade_request(headers: Headers, method: str, minor_version: int, *, has_body: bool) -> None:
    """Raise BadRequest unless a request that `wants_websocket` may have it (RFC 6455 section 4.2.1)."""
    if method != "GET":
        raise BadRequest("a WebSocket upgrade must be a GET request")
    if minor_version != 1:
        raise BadRequest("a WebSocket upgrade must be an HTTP/1.1 request")
    if has_body:                                # where it ends and the frames begin, two readers could disagree
        raise BadRequest("a WebSocket upgrade must not have a body")
    if headers.get_all(b"sec-websocket-version") != [_SUPPORTED_VERSION]:
        raise BadRequest("Sec-WebSocket-Version must be 13")
    _sole_key(headers)


@dataclass(frozen=True, slots=True)
class UpgradeOffer:
    """What an upgrade request offers the upstream, and the key that the answer must know."""

    key: bytes
    protocols: frozenset[bytes]
    extensions: frozenset[bytes]                # by name; parameters are between the two ends

    @classmethod
    def of(cls, headers: Headers) -> "UpgradeOffer":
        """Read the fields as they are forwarded, after transforms. Raises BadRequest without a well-formed key."""
        return cls(
            key=_sole_key(headers),
            protocols=frozenset(_elements(headers, b"sec-websocket-protocol")),
            extensions=frozenset(_extension_names(headers)),
        )


def expected_accept(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept value that answers a Sec-WebSocket-Key (RFC 6455 section 4.2.2)."""
    # SHA-1 is what the RFC says; it shows that the upstream has understood, and protects nothing.
    return base64.b64encode(hashlib.sha1(key + _ACCEPT_SUFFIX, usedforsecurity=False).digest())


def verify_switch(
    status: int, upgrade: Sequence[bytes], connection: frozenset[bytes], headers: Headers, offer: UpgradeOffer
) -> None:
    """
    Raise UpstreamProtocolError unless a response switches to the WebSocket that was offered (RFC 6455 section 4.1).

    Any status but 101 is an ordinary response: ask only after looking at it.
    """
    if status != 101:
        raise UpstreamProtocolError("the upstream did not switch to WebSocket")
    if not wants_websocket(upgrade, connection):
        raise UpstreamProtocolError("the upstream's 101 does not name WebSocket in Upgrade and Connection")
    if headers.get_all(b"sec-websocket-accept") != [expected_accept(offer.key)]:
        raise UpstreamProtocolError("the upstream's Sec-WebSocket-Accept does not answer the key")
    protocols = headers.get_all(b"sec-websocket-protocol")
    if len(protocols) > 1 or not offer.protocols.issuperset(protocols):
        raise UpstreamProtocolError("the upstream chose a WebSocket sub-protocol that was not offered")
    if not offer.extensions.issuperset(_extension_names(headers)):
        raise UpstreamProtocolError("the upstream chose a WebSocket extension that was not offered")


def verify_named_switch(protocol: bytes, upgrade: Sequence[bytes], connection: frozenset[bytes]) -> None:
    """Raise UpstreamProtocolError unless a 101 names the protocol that was asked for, and no other."""
    if [value.lower() for value in upgrade] != [protocol] or b"upgrade" not in connection:
        raise UpstreamProtocolError("the upstream's 101 does not name the protocol asked for in Upgrade and Connection")


def _sole_key(headers: Headers) -> bytes:
    keys = headers.get_all(b"sec-websocket-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise BadRequest("Sec-WebSocket-Key must be given once, as 16 bytes in base64")
    return keys[0]


def _extension_names(headers: Headers) -> list[bytes]:
    # A quoted parameter cannot hold a comma or semicolon: unquoted, it must be a token (RFC 6455 section 9.1).
    return [element.split(b";")[0].rstrip(b" \t") for element in _elements(headers, b"sec-websocket-extensions")]


def _elements(headers: Headers, lower_name: bytes) -> list[bytes]:
    """The members of a comma-separated field, over all its lines; empty ones do not count (RFC 9110 section 5.6.1)."""
    members = [member.strip(b" \t") for value in headers.get_all(lower_name) for member in value.split(b",")]
    return [member for member in members if member]
