"""
Heads and trailers of ours to fields (RFC 9113 section 8). What the peer sends: `header_rules.py`.

The last wall, as `http1/serializer.py` is: names in lower case, nothing that belongs to one connection, and no CR, LF
or NUL, whoever made the field. Secrets never enter a compression table: what is in one can be guessed by its size.
"""

import re
from collections.abc import Collection, Iterable

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.headers import Fields, Pair
from iron_proxy.messages.hop_by_hop import HOP_BY_HOP
from iron_proxy.protocols.http2.hpack import Field

# Written so that no hop keeps them (RFC 7541 section 7.1.3), whatever the caller names besides.
ALWAYS_SENSITIVE = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))

# What ends or splits a field in HTTP/1.1, where a value may go next.
_NOT_IN_VALUES = re.compile(rb"[\r\n\0]")
_NAME_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_NOTHING: frozenset[bytes] = frozenset()
_NOT_IN_REQUESTS = HOP_BY_HOP | {b"host", b"content-length"}
# A 407 of ours carries its challenge; in HTTP/2 that field is like any other.
_NOT_IN_RESPONSES = (HOP_BY_HOP | {b"content-length"}) - {b"proxy-authenticate", b"proxy-authentication-info"}


class FieldWriter:
    """
    The fields of one connection's messages. All methods raise IronProxyError if a field would not be well formed.

    What is sent on as it was read mostly repeats, and `Fields` cannot change: then they are not gone through anew.
    """

    __slots__ = ("_known", "_known_sensitive", "_written")

    def __init__(self) -> None:
        self._known: Fields | None = None
        self._known_sensitive = _NOTHING
        self._written: list[Field] = []

    def request(
        self,
        method: str,
        scheme: str,
        authority: bytes,
        raw_path: bytes,
        pairs: Iterable[Pair],
        length: int | None,
        te_trailers: bool,
        sensitive: Collection[bytes],
    ) -> list[Field]:
        """The fields of a request."""
        verb = method.encode("latin-1", "replace")
        if _NOT_IN_VALUES.search(authority) or _NOT_IN_VALUES.search(raw_path) or _NOT_IN_VALUES.search(verb):
            raise _not_well_formed()
        fields: list[Field] = [
            (b":method", verb, False),
            (b":scheme", scheme.encode("ascii"), False),
            (b":authority", authority, False),
            # A query may hold a key; a bare path repeats, and calls of gRPC consist of little else.
            (b":path", raw_path, b"?" in raw_path or b":path" in sensitive),
        ]
        fields += self._regular(pairs, _NOT_IN_REQUESTS, sensitive)
        if te_trailers:
            fields.append((b"te", b"trailers", False))
        if length is not None:
            fields.append((b"content-length", b"%d" % length, False))
        return fields

    def response(
        self, status: int, pairs: Iterable[Pair], length: int | None, sensitive: Collection[bytes]
    ) -> list[Field]:
        """The fields of a response."""
        fields: list[Field] = [(b":status", b"%03d" % status, False)]
        fields += self._regular(pairs, _NOT_IN_RESPONSES, sensitive)
        if length is not None:
            fields.append((b"content-length", b"%d" % length, False))
        return fields

    def trailers(self, pairs: Iterable[Pair], sensitive: Collection[bytes]) -> list[Field]:
        """The fields behind a body."""
        return _checked(pairs, _NOT_IN_REQUESTS, sensitive)

    def _regular(self, pairs: Iterable[Pair], dropped: frozenset[bytes], sensitive: Collection[bytes]) -> list[Field]:
        if not isinstance(pairs, Fields):
            return _checked(pairs, dropped, sensitive)
        names = frozenset(sensitive) if sensitive else _NOTHING
        if pairs is not self._known or names != self._known_sensitive:
            self._written = _checked(pairs, dropped, names)
            self._known, self._known_sensitive = pairs, names
        return self._written


def _checked(pairs: Iterable[Pair], dropped: frozenset[bytes], sensitive: Collection[bytes]) -> list[Field]:
    """The fields that may leave, in lower case. Raises unless all are well formed."""
    secret = ALWAYS_SENSITIVE.union(sensitive) if sensitive else ALWAYS_SENSITIVE
    lowered = [(name.lower(), value) for name, value in pairs]
    fields = [(name, value, name in secret) for name, value in lowered if name not in dropped]
    if not fields:
        return fields
    names, values, _ = zip(*fields, strict=True)
    line_feeds = b"\n" * (len(fields) + 1)
    joined = b"\n%b\n" % b"\n".join(names)
    if joined.translate(None, _NAME_BYTES) != line_feeds or b"\n\n" in joined:
        raise _not_well_formed()
    joined = b"\n%b\n" % b"\n".join(values)
    if joined.count(b"\n") != len(line_feeds) or b"\r" in joined or b"\0" in joined:
        raise _not_well_formed()
    if b"\n " in joined or b" \n" in joined or b"\n\t" in joined or b"\t\n" in joined:
        return [(name, value.strip(b" \t"), is_secret) for name, value, is_secret in fields]
    return fields


def _not_well_formed() -> IronProxyError:
    return IronProxyError("a message head of ours would not have been well formed")
