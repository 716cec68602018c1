"""
Base64 within a body: texts whose decoded form holds a token are decoded, changed and coded again.

For entries that say `encodings: [base64]`, in bodies that are held whole. A text is a row of the alphabet's characters
(either alphabet) that is coded from its first one; base64 that is broken into lines is not found.
"""

import binascii
import re
from base64 import b64encode
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from iron_proxy.transforms.secrets.streaming import Replacer
from iron_proxy.transforms.secrets.tokens import Replacement, Span, TokenSet, replace_spans

_TEXT = re.compile(rb"[A-Za-z0-9+/_-]{4,}={0,2}")
_TO_URL_SAFE, _FROM_URL_SAFE = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")
# Fewer characters that do not depend on their neighbours stand in every text: a filter of them would let all through.
_SHORTEST_INNER = 4


class Base64Text(NamedTuple):
    """One text: where it stands, what it holds, the tokens in there, and how it was written."""

    start: int
    end: int
    decoded: bytes
    spans: list[Span]
    is_url_safe: bool
    is_padded: bool

    def replaced(self, replacement: Replacement) -> bytes:
        """The text with its tokens replaced, written as it was."""
        coded = b64encode(replace_spans(self.decoded, self.spans, replacement))
        if self.is_url_safe:
            coded = coded.translate(_TO_URL_SAFE)
        return coded if self.is_padded else coded.rstrip(b"=")


class Base64Search:
    """Finds the texts that hold some tokens, compiled."""

    def __init__(self, tokens: TokenSet) -> None:
        self._tokens = tokens
        self._filter = Replacer({inner: inner for token in tokens.tokens for inner in _inner_spellings(token)})

    def find(self, body: bytes, most: int | None = None) -> list[Base64Text]:
        """The texts that hold tokens, in order, up to the first `most` ones."""
        if self._filter.first_match(body) is None:
            return []
        texts = (self._look_at(match) for match in _TEXT.finditer(body))
        return list(islice((text for text in texts if text is not None), most))

    def _look_at(self, match: "re.Match[bytes]") -> Base64Text | None:
        text = match[0]
        if self._filter.first_match(text) is None:
            return None
        coded = text.rstrip(b"=")
        padding = -len(coded) % 4
        try:
            decoded = binascii.a2b_base64(coded.translate(_FROM_URL_SAFE) + b"=" * padding, strict_mode=True)
        except binascii.Error:
            return None
        spans = self._tokens.find(decoded)
        if not spans:
            return None
        is_padded = padding == 0 or len(text) > len(coded)
        end = match.end() if padding else match.start() + len(coded)
        return Base64Text(match.start(), end, decoded, spans, b"-" in coded or b"_" in coded, is_padded)


def _inner_spellings(token: bytes) -> Iterable[bytes]:
    """The characters that are the same whatever stands before the token (three cases) and behind it."""
    for alignment in range(3):
        coded = b64encode(bytes(alignment) + token)
        inner = coded[(0, 2, 3)[alignment] : (alignment + len(token)) * 8 // 6]
        if len(inner) >= _SHORTEST_INNER:
            yield inner
            yield inner.translate(_TO_URL_SAFE)
