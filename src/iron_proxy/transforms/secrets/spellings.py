"""
The spellings of a secret that a response may carry, each with what takes its place in the same coding.

An upstream that echoes a credential seldom does so byte for byte: in JSON, in a link, in HTML, in a Basic credential.
What escapes write is `escapes.py`; how a text is searched for the spellings is `streaming.py`; who reveals the secret
and whose responses are scrubbed is decided by the callers.

Not found: a secret whose characters are escaped one by one without need, compressed or encrypted texts, base64 broken
into lines, and a coding inside another one beyond those named here.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping

from iron_proxy.transforms.secrets.escapes import (
    HTML_DIALECTS,
    JSON_DIALECTS,
    PERCENT_DIALECTS,
    SCRIPT_DIALECTS,
    Coding,
)

# Three characters stand in many innocent places; to replace them all would destroy responses.
_SHORTEST = 4
# Eight bytes leave ten characters of base64 and sixteen of hexadecimal that do not depend on their neighbours: 60 bits
# and more, which no random text contains by chance. Four bytes in hexadecimal would be found in digests.
_SHORTEST_IN_BASE64_OR_HEX = 8

# Files of secrets end in a newline that echoes may lack. What lies between is in every echo.
_BLANKS = b" \t\r\n"
_PADDING = b"*"
# What is put at the borders of a base64 text that begins or ends within a byte. The other bits of that byte stay what
# they were; joined with these the byte is printable, and none that JSON or HTML escapes, whatever ASCII it was.
_EDGE = b"j"
# Replacements do without the characters in which the alphabets of base64 differ, and which links and JSON escape. The
# nearest character that all have in common leaves a printable byte printable.
_COMMON = bytes.maketrans(b"+/", b"99")

# How base64's two special characters are written where base64 itself is in a link or in JSON.
_CARRIERS: tuple[Mapping[bytes, bytes], ...] = (
    {b"+": b"-", b"/": b"_"},  # the URL-safe alphabet
    {b"+": b"%2B", b"/": b"%2F"},
    {b"+": b"%2b", b"/": b"%2f"},
    {b"/": rb"\/"},
    {b"+": rb"\u002b"},
    {b"+": rb"\u002B"},
)

_SPECIAL = re.compile(rb"[+/]")


def spellings_of(secret: bytes, stand_in: bytes, *, same_length: bool) -> dict[bytes, bytes]:
    """
    Every spelling to look for, with the stand-in in the same coding; nothing where the secret is too short.

    With `same_length` a replacement is as long as its spelling: cut between characters, or filled up with `*`.
    Replacements of base64 are always as long, since what follows them must stay aligned.
    """
    secret = secret.strip(_BLANKS)
    if len(secret) < _SHORTEST:
        return {}
    spellings = dict(_escaped(secret, stand_in, same_length))
    spellings |= _in_utf16(secret, stand_in, same_length)
    if len(secret) >= _SHORTEST_IN_BASE64_OR_HEX:
        for spelling, replacement in _recoded(secret, stand_in, same_length):
            spellings.setdefault(spelling, replacement)
    return {spelling: replacement for spelling, replacement in spellings.items() if spelling != replacement}


def coverage_note(secret: bytes, stand_in: bytes) -> str | None:
    """What responses are not scrubbed of, to follow the secret's name in a warning; None where all is well."""
    secret = secret.strip(_BLANKS)
    if len(secret) < _SHORTEST:
        return f"is shorter than {_SHORTEST} bytes: responses are not scrubbed of it"
    if secret in stand_in:
        return "is part of what replaces it in responses: choose another proxy token"
    if len(secret) < _SHORTEST_IN_BASE64_OR_HEX:
        return (
            f"is shorter than {_SHORTEST_IN_BASE64_OR_HEX} bytes: "
            "responses are not scrubbed of it where it stands in base64 or hexadecimal"
        )
    return None


def fit(replacement: bytes, size: int, coding: Coding = bytes) -> bytes:
    """The replacement in a coding, cut between characters or filled up with `*` to just `size` bytes."""
    cut = replacement[:size]  # no coding makes a text shorter
    coded = coding(cut)
    while len(coded) > size or (len(cut) < len(replacement) and _ends_within_a_character(cut, replacement)):
        cut = cut[:-1]
        coded = coding(cut)
    return coded.ljust(size, _PADDING)


def _ends_within_a_character(cut: bytes, whole: bytes) -> bool:
    return whole[len(cut)] & 0xC0 == 0x80  # a byte that continues a character of UTF-8


def _escaped(secret: bytes, stand_in: bytes, same_length: bool) -> Iterator[tuple[bytes, bytes]]:
    raw: Coding = bytes
    seen: set[bytes] = set()
    for coding in (raw, *PERCENT_DIALECTS, *JSON_DIALECTS, *SCRIPT_DIALECTS, *HTML_DIALECTS):
        spelling = coding(secret)
        if spelling in seen:
            continue  # the plainest coding that spells it thus has come first
        seen.add(spelling)
        yield spelling, fit(stand_in, len(spelling), coding) if same_length else coding(stand_in)


def _in_utf16(secret: bytes, stand_in: bytes, same_length: bool) -> dict[bytes, bytes]:
    """Texts of Windows and of databases, in both orders of bytes; nothing where the secret is not UTF-8."""
    try:
        text, new = secret.decode(), stand_in.decode()
    except UnicodeDecodeError:
        return {}
    if same_length:
        size = len(text.encode("utf-16-le"))
        while len(new.encode("utf-16-le")) > size:
            new = new[:-1]
        new += _PADDING.decode() * ((size - len(new.encode("utf-16-le"))) // 2)
    return {text.encode(order): new.encode(order) for order in ("utf-16-le", "utf-16-be")}


def _recoded(secret: bytes, stand_in: bytes, same_length: bool) -> Iterator[tuple[bytes, bytes]]:
    in_hex = fit(stand_in, len(secret)) if same_length else stand_in
    yield secret.hex().encode(), in_hex.hex().encode()
    yield secret.hex().upper().encode(), in_hex.hex().upper().encode()
    for alignment in range(3):
        spelling = _inner_base64(secret, alignment)
        replacement = _inner_base64(_fit_between_edges(stand_in, len(secret), alignment), alignment).translate(_COMMON)
        yield spelling, replacement
        for carrier in _CARRIERS:
            if any(special in spelling for special in carrier):
                yield _carried(spelling, replacement, carrier)


def _inner_base64(text: bytes, alignment: int) -> bytes:
    """The characters that are the same whatever stands before (`alignment` bytes, modulo three) and behind the text."""
    coded = b64encode(bytes(alignment) + text)
    depend_on_what_is_before = (0, 2, 3)[alignment]
    return coded[depend_on_what_is_before : (alignment + len(text)) * 8 // 6]


def _fit_between_edges(stand_in: bytes, size: int, alignment: int) -> bytes:
    begins_within_a_byte = alignment != 0
    ends_within_a_byte = (alignment + size) % 3 != 0
    whole = size - begins_within_a_byte - ends_within_a_byte
    return _EDGE * begins_within_a_byte + fit(stand_in, whole) + _EDGE * ends_within_a_byte


def _carried(spelling: bytes, replacement: bytes, carrier: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
    """
    Base64 and its replacement as the carrier writes them, equally long.

    Where the carrier writes an escape, the replacement keeps it: else it would be shorter.
    """
    carried: list[bytes] = []
    replaced: list[bytes] = []
    position = 0
    for special in _SPECIAL.finditer(spelling):
        at, written = special.start(), carrier.get(special[0])
        if written is not None:
            carried += (spelling[position:at], written)
            replaced += (replacement[position:at], replacement[at : at + 1] if len(written) == 1 else written)
            position = at + 1
    return b"".join((*carried, spelling[position:])), b"".join((*replaced, replacement[position:]))
