"""
Heads and trailers of ours to fields (RFC 9113 section 8). What the peer sends: `header_rules.py`.

The last wall, as `http1/serializer.py` is: names in lower case, nothing that belongs to one connection, and no CR, LF
or NUL, whoever made the field. Secrets never enter a compression table: what is in one can be guessed by its size.
"""

import re
from collections.abc import Collection, Iterable, Sequence

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

    What is sent on as it was read mostly repeats, and `Fields` cannot change: then they are not gone through anew, and
    what comes out is the same object, by which `FieldEncoder` knows it again.
    """

    __slots__ = ("_head", "_regular", "_trailers")

    def __init__(self) -> None:
        self._head = _Written()
        self._regular = _Written()              # of the head, where the rest of it changes
        self._trailers = _Written()

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
    ) -> Sequence[Field]:
        """The fields of a request."""
        names = _frozen(sensitive)
        key = (method, scheme, authority, raw_path, length, te_trailers, names)
        known = self._head
        if pairs is known.pairs and key == known.key:
            return known.fields
        verb = method.encode("latin-1", "replace")
        if _NOT_IN_VALUES.search(authority) or _NOT_IN_VALUES.search(raw_path) or _NOT_IN_VALUES.search(verb):
            raise _not_well_formed()
        fields: list[Field] = [
            (b":method", verb, False),
            (b":scheme", scheme.encode("ascii"), False),
            (b":authority", authority, False),
            # A query may hold a key; a bare path repeats, and calls of gRPC consist of little else.
            (b":path", raw_path, b"?" in raw_path or b":path" in names),
        ]
        fields += self._regular.of(pairs, names, _NOT_IN_REQUESTS)
        if te_trailers:
            fields.append((b"te", b"trailers", False))
        if length is not None:
            fields.append((b"content-length", b"%d" % length, False))
        return known.remember(pairs, key, fields)

    def response(
        self, status: int, pairs: Iterable[Pair], length: int | None, sensitive: Collection[bytes]
    ) -> Sequence[Field]:
        """The fields of a response."""
        names = _frozen(sensitive)
        key = (status, length, names)
        known = self._head
        if pairs is known.pairs and key == known.key:
            return known.fields
        fields: list[Field] = [(b":status", b"%03d" % status, False)]
        fields += self._regular.of(pairs, names, _NOT_IN_RESPONSES)
        if length is not None:
            fields.append((b"content-length", b"%d" % length, False))
        return known.remember(pairs, key, fields)

    def trailers(self, pairs: Iterable[Pair], sensitive: Collection[bytes]) -> Sequence[Field]:
        """The fields behind a body."""
        return self._trailers.of(pairs, _frozen(sensitive), _NOT_IN_REQUESTS)


class _Written:
    """What was written last of `pairs`, which cannot change, and of whatever else it depends on: `key`."""

    __slots__ = ("fields", "key", "pairs")

    def __init__(self) -> None:
        self.pairs: Fields | None = None
        self.key: object = None
        self.fields: Sequence[Field] = ()

    def of(self, pairs: Iterable[Pair], sensitive: frozenset[bytes], dropped: frozenset[bytes]) -> Sequence[Field]:
        """The fields that may leave; `dropped` must be the same ones each time."""
        if pairs is self.pairs and sensitive == self.key:
            return self.fields
        return self.remember(pairs, sensitive, _checked(pairs, dropped, sensitive))

    def remember(self, pairs: Iterable[Pair], key: object, fields: Sequence[Field]) -> Sequence[Field]:
        """Keep what was written, unless its origin could change."""
        if isinstance(pairs, Fields):
            self.pairs, self.key, self.fields = pairs, key, fields
        return fields


def _frozen(names: Collection[bytes]) -> frozenset[bytes]:
    return frozenset(names) if names else _NOTHING


def _checked(pairs: Iterable[Pair], dropped: frozenset[bytes], sensitive: frozenset[bytes]) -> list[Field]:
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
