"""
Header fields that vouch for a body's bytes: written anew when a swap changes them, where that can be done honestly.

A digest that we cannot compute, or that did not fit what the client sent, is not replaced by one that fits: the swap is
refused then. The digests are of what is on the wire, content codings included (RFC 9530, RFC 3230, RFC 1864).
"""

import binascii
import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping

from iron_proxy.messages.headers import Pair

_Digest = Callable[[bytes], bytes]


def _hash(name: str) -> _Digest:
    return lambda body: hashlib.new(name, body, usedforsecurity=False).digest()


def _crc32(body: bytes) -> bytes:
    return binascii.crc32(body).to_bytes(4)


_BY_NAME: Mapping[bytes, _Digest] = {
    b"sha-256": _hash("sha256"),
    b"sha-512": _hash("sha512"),
    b"sha": _hash("sha1"),
    b"md5": _hash("md5"),
}
_PLAIN: Mapping[bytes, _Digest] = {
    b"content-md5": _BY_NAME[b"md5"],
    b"x-amz-checksum-crc32": _crc32,
    b"x-amz-checksum-sha1": _BY_NAME[b"sha"],
    b"x-amz-checksum-sha256": _BY_NAME[b"sha-256"],
}
_CONTENT_SHA256 = b"x-amz-content-sha256"
_HEX_SHA256 = re.compile(rb"[0-9a-f]{64}")
# The request says itself that nothing vouches for the body.
_UNSIGNED = b"unsigned-payload"
_DICTIONARIES = (b"digest", b"content-digest", b"repr-digest")
_ANNOUNCES_KIND = (b"x-amz-checksum-type", b"x-amz-checksum-algorithm", b"x-amz-checksum-mode")


class UnknownDigest(Exception):
    """A field vouches for the body in a way that cannot be written anew. The message is the field's name."""


def vouching_field(fields: Iterable[Pair]) -> str:
    """The first field that vouches for the body's bytes, or ""."""
    return next((_text(name) for name, value in fields if _vouches(name.lower(), value)), "")


def renewed(fields: Iterable[Pair], trailers: Iterable[Pair], old: bytes, new: bytes) -> list[tuple[int, Pair]]:
    """
    The fields that vouch for `old`, with their positions, as they have to be for `new`.

    Raises UnknownDigest where one of them cannot be written, or did not fit. Trailers cannot be changed.
    """
    unchangeable = vouching_field(trailers)
    if unchangeable:
        raise UnknownDigest(unchangeable)
    return [
        (position, (name, _renewed(name, value, old, new)))
        for position, (name, value) in enumerate(fields)
        if _vouches(name.lower(), value)
    ]


def _vouches(name: bytes, value: bytes) -> bool:
    if name == _CONTENT_SHA256:
        return value.lower() != _UNSIGNED
    is_checksum = name.startswith(b"x-amz-checksum-") and name not in _ANNOUNCES_KIND
    return is_checksum or name in _PLAIN or name in _DICTIONARIES


def _renewed(name: bytes, value: bytes, old: bytes, new: bytes) -> bytes:
    field = name.lower()
    if field in _PLAIN:
        return _replaced(name, value, b64encode(_PLAIN[field](old)), b64encode(_PLAIN[field](new)))
    if field in _DICTIONARIES:
        members = [_renewed_member(name, member.strip(b" \t"), old, new) for member in value.split(b",")]
        return b", ".join(members)
    if field == _CONTENT_SHA256 and _HEX_SHA256.fullmatch(value):
        return _replaced(name, value, _hex_sha256(old), _hex_sha256(new))
    raise UnknownDigest(_text(name))


def _renewed_member(name: bytes, member: bytes, old: bytes, new: bytes) -> bytes:
    """`sha-256=:…:` (RFC 9530) or `SHA-256=…` (RFC 3230)."""
    algorithm, _, value = member.partition(b"=")
    digest = _BY_NAME.get(algorithm.lower())
    if digest is None:
        raise UnknownDigest(_text(name))
    mark = b"" if name.lower() == b"digest" else b":"
    renewed_value = _replaced(name, value, mark + b64encode(digest(old)) + mark, mark + b64encode(digest(new)) + mark)
    return algorithm + b"=" + renewed_value


def _replaced(name: bytes, value: bytes, fitting: bytes, new: bytes) -> bytes:
    if value != fitting:
        raise UnknownDigest(_text(name))
    return new


def _hex_sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def _text(name: bytes) -> str:
    return name.decode("latin-1").lower()
