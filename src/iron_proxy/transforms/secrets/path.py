"""
The raw path, edited in place: a swapped secret stays within its segment and never becomes a dot segment.

Tokens are matched in the decoded path, so an escaped token is found too; the rest of the path keeps its escapes.
"""

from iron_proxy.transforms.secrets import percent
from iron_proxy.transforms.secrets.tokens import Replacement, TokenSet, distinct_tokens

_DOT_SEGMENTS = frozenset((b".", b".."))


def tokens_in_path(raw_path: bytes, tokens: TokenSet) -> list[bytes]:
    """The tokens that the path holds, each once."""
    return distinct_tokens(tokens.find(percent.decode(raw_path)))


def replace_in_path(raw_path: bytes, tokens: TokenSet, replacement: Replacement) -> bytes:
    """Replace tokens; `/`, `?`, `#`, `%` and spaces of what takes their place are escaped."""
    return percent.replace(raw_path, tokens, replacement)


def has_dot_segment(raw_path: bytes) -> bool:
    """Whether an origin may read a `.` or `..` segment out of the path, also after it has decoded slashes."""
    decoded = percent.decode(raw_path).replace(b"\\", b"/")
    return not _DOT_SEGMENTS.isdisjoint(decoded.split(b"/"))
