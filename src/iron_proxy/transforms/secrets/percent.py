"""
Percent-encoding, with a map from the decoded bytes back to the wire's: what is matched decoded is changed in place.

A malformed escape (`%zz`) stands for itself. Used for the query and the path; everything that is not replaced stays
byte for byte as the client wrote it.
"""

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

from iron_proxy.transforms.secrets.tokens import Replacement, Span, TokenSet, replace_spans

_UNIT = re.compile(rb"%[0-9A-Fa-f]{2}|.", re.DOTALL)


def decode(raw: bytes, *, plus_is_space: bool = False) -> bytes:
    """The bytes that are meant. In a query (application/x-www-form-urlencoded) `+` is a space."""
    if plus_is_space and b"+" in raw:
        raw = raw.replace(b"+", b" ")
    return unquote_to_bytes(raw) if b"%" in raw else raw


def encode(value: bytes) -> bytes:
    """The value with all but the unreserved characters (RFC 3986 section 2.3) escaped: it stays within one segment."""
    return quote_from_bytes(value, safe="").encode("ascii")


def replace(raw: bytes, tokens: TokenSet, replacement: Replacement, *, plus_is_space: bool = False) -> bytes:
    """Replace the tokens that the decoded form holds, where they stand in the raw form; the new text is encoded."""
    decoded = decode(raw, plus_is_space=plus_is_space)
    spans = tokens.find(decoded)
    if decoded != raw:
        spans = _spans_in(raw, spans)
    return replace_spans(raw, spans, lambda token: _encoded(replacement(token)))


def _encoded(new: bytes | None) -> bytes | None:
    return None if new is None else encode(new)


def _spans_in(raw: bytes, spans: list[Span]) -> list[Span]:
    """The same spans, as positions in the raw form."""
    starts = [unit.start() for unit in _UNIT.finditer(raw)]
    starts.append(len(raw))
    return [(starts[start], starts[end], token) for start, end, token in spans]
