"""
Numbers and truth values as Go's `strconv` reads them: flags and environment variables are parsed so.

Stricter than `int()`, which takes `1_0`, blanks and Arabic digits. The YAML file has its own rules, in
`config/section.py`.
"""

import re
from typing import Final, Literal

_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_DECIMAL = re.compile(r"[+-]?[0-9]+", re.ASCII)
# Base 0: the prefix names the base, and an underscore may stand before any digit but the first.
_PREFIXED = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)", re.ASCII
)
_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
# An int64 has at most 64 digits in any base; `int()` refuses texts of thousands of digits in its own words.
_MAX_DIGITS = 64


class NumberError(ValueError):
    """A text that is no number. `reason` is Go's: `invalid syntax` or `value out of range`."""

    def __init__(self, function: str, text: str, reason: Literal["invalid syntax", "value out of range"]) -> None:
        super().__init__(f'strconv.{function}: parsing "{text}": {reason}')
        self.reason = reason


def parse_bool(text: str) -> bool:
    """`1 t T TRUE true True` and `0 f F FALSE false False`. Raises NumberError."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise NumberError("ParseBool", text, "invalid syntax")


def parse_int(text: str, *, base: Literal[0, 10] = 10, function: str = "ParseInt") -> int:
    """An int64 in decimal, or with base 0 by its prefix (`0x`, `0o`, `0`, `0b`). Raises NumberError."""
    if not (_DECIMAL if base == 10 else _PREFIXED).fullmatch(text):
        raise NumberError(function, text, "invalid syntax")
    digits = text.lstrip("+-").replace("_", "").lower()
    radix = _radix(digits) if base == 0 else 10
    digits = digits.lstrip("0xob" if radix != 16 else "0x") or "0"
    if len(digits) > _MAX_DIGITS:
        raise NumberError(function, text, "value out of range")
    value = int(digits, radix) * (-1 if text[0] == "-" else 1)
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise NumberError(function, text, "value out of range")
    return value


def _radix(digits: str) -> int:
    if len(digits) < 2 or digits[0] != "0":
        return 10
    return {"x": 16, "b": 2}.get(digits[1], 8)
