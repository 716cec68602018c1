"""
The canonical spelling of a header name in Go (`net/textproto`): `x-request-id` is `X-Request-Id`.

Audit annotations and templates use it. What goes on the wire keeps the spelling it came with.
"""

import re
from functools import lru_cache

# RFC 9110 section 5.6.2: token. A name with any other byte stays as it is, as in Go.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Clients choose names: a bounded number of short ones is remembered, some hundred KiB in all.
_CACHED_NAMES = 1024
_MAX_CACHED_LENGTH = 64


def canonical_header_bytes(name: bytes) -> bytes:
    """The first letter and each letter after a hyphen in upper case, the rest in lower case."""
    return _cached(name) if len(name) <= _MAX_CACHED_LENGTH else _canonical(name)


def canonical_header_key(name: str) -> str:
    """The same for text; a name that is not Latin-1 is no token and stays as it is."""
    try:
        return canonical_header_bytes(name.encode("latin-1")).decode("latin-1")
    except UnicodeEncodeError:
        return name


def _canonical(name: bytes) -> bytes:
    if not _TOKEN.fullmatch(name):
        return name
    return b"-".join(part.capitalize() for part in name.split(b"-"))


_cached = lru_cache(maxsize=_CACHED_NAMES)(_canonical)
