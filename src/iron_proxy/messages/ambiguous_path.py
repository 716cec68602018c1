"""
The test for paths that cannot be decided on.

A rule is decided on the percent-decoded path while the wire's bytes go upstream. Where an origin may read those bytes
as another path than we did (`%2f`, `..;`, `%252e`, `//`), a rule with `paths` must not admit them: `path_is_ambiguous`
says so, `matching/rule.py` obeys. Plain dot segments never get there, the request checks answer 400; they count all
the same.
"""

import re
from urllib.parse import unquote_to_bytes

# Only a path with one of these can be ambiguous; nearly every path has none and costs one scan.
_SUSPECT = re.compile(rb"[%\\;\x00]|//|/\.")
# An encoded slash, backslash or NUL; and an escape that is none: servers keep it, drop it, or read `%u002e`.
_BAD_ESCAPE = re.compile(rb"%(?:2f|5c|00|(?![0-9a-f]{2}))", re.IGNORECASE)
# After one decoding. `;` beside a dot: Java servers cut parameters off a segment before they look for `..`. A second
# (third, ...) escape of the same characters: some origins decode again. Overlong UTF-8: old decoders make `.` of C0 AE.
_AMBIGUOUS = re.compile(
    rb"[\\\x00]|//|\.;|;\.|(?:\A|/)\.\.?(?:[/;]|\Z)|%(?:25)*(?:2e|2f|5c|3b|00)|[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]",
    re.IGNORECASE,
)


def path_is_ambiguous(raw_path: bytes) -> bool:
    """Whether an origin could read the wire's path as another one than we decide on."""
    if _SUSPECT.search(raw_path) is None:
        return False
    if _BAD_ESCAPE.search(raw_path) is not None:
        return True
    return _AMBIGUOUS.search(unquote_to_bytes(raw_path)) is not None
