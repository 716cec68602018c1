"""
A header block as pairs, with the fields that are about the connection or the framing set apart.

The block has been checked as a whole by the parser's regular expression, so splitting it here cannot go wrong.
Written as one loop over one dictionary because it runs twice per exchange on the data path.
"""

import re

from iron_proxy.messages.headers import Pair
from iron_proxy.messages.hop_by_hop import HOP_BY_HOP

_FIELD = re.compile(rb"([^:]+):[ \t]*([^\r]*)\r\n")

# Set apart from what is forwarded: hop-by-hop fields, and those that the serializer writes itself.
_SET_APART = HOP_BY_HOP | {b"host", b"content-length"}

_NOTHING: frozenset[bytes] = frozenset()
_KEEP_ALIVE = frozenset((b"keep-alive",))
# The value of nearly every Connection field, so that it need not be taken apart.
_COMMON_CONNECTION = {b"keep-alive": _KEEP_ALIVE, b"Keep-Alive": _KEEP_ALIVE, b"close": frozenset((b"close",))}
# Options with a meaning of their own; any other names a field to be removed (RFC 9110 section 7.6.1).
_KNOWN_OPTIONS = frozenset((b"close", b"keep-alive", b"upgrade", b"te"))

Apart = dict[bytes, list[bytes]]


def split_fields(block: bytes) -> tuple[list[Pair], Apart]:
    """(what may be forwarded, what was set apart by lower-case name), both in wire order."""
    pairs: list[Pair] = _FIELD.findall(block)
    if b" \r" in block or b"\t\r" in block:
        pairs = [(name, value.rstrip(b" \t")) for name, value in pairs]
    apart: Apart = {}
    kept = []
    for pair in pairs:
        lower = pair[0].lower()
        if lower in _SET_APART:
            apart.setdefault(lower, []).append(pair[1])
        else:
            kept.append(pair)
    return kept, apart


def connection_options(apart: Apart) -> frozenset[bytes]:
    """The lower-case options of all Connection fields."""
    values = apart.get(b"connection")
    if values is None:
        return _NOTHING
    if len(values) == 1 and (common := _COMMON_CONNECTION.get(values[0])) is not None:
        return common
    return frozenset(option.strip(b" \t").lower() for value in values for option in value.split(b",")) - {b""}


def without_nominated(pairs: list[Pair], options: frozenset[bytes]) -> list[Pair]:
    """The pairs without those that the Connection field names."""
    if not options or options is _KEEP_ALIVE:
        return pairs
    nominated = options - _KNOWN_OPTIONS
    if not nominated:
        return pairs
    return [pair for pair in pairs if pair[0].lower() not in nominated]
