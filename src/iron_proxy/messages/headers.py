"""
Header fields as an ordered list of `(name, value)` byte pairs, in the spelling and order of the wire.

Lookups ignore case and take the lower-case name. What a parser delivers has been checked by that parser; everything
else enters through `set` and `append`, which refuse what would break the message (RFC 9110 section 5.5).
"""

import re
from collections.abc import Callable, Iterator

from iron_proxy.errors import IronProxyError

# RFC 9110 section 5.6.2: token.
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_NAME = re.compile(TOKEN + rb"+")
# A field value is visible characters, obs-text, space and tab; CR, LF and NUL would end or split the message.
_FORBIDDEN_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

Pair = tuple[bytes, bytes]


class InvalidHeader(IronProxyError):
    """Our side tried to write a header that cannot stand in a message. The value is never part of the text."""

    status = 502


class Headers:
    """The fields of one message. Small on purpose: a list, and lookups that scan it (a head has some ten fields)."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[Pair] | None = None) -> None:
        self.pairs: list[Pair] = [] if pairs is None else pairs

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        names = [name.decode("latin-1") for name, _ in self.pairs]      # names only: values may be secret
        return f"<Headers {names}>"

    def get(self, lower_name: bytes) -> bytes | None:
        """The first value of a field, or None."""
        for name, value in self.pairs:
            if name.lower() == lower_name:
                return value
        return None

    def get_all(self, lower_name: bytes) -> list[bytes]:
        """Every value of a field, in order."""
        return [value for name, value in self.pairs if name.lower() == lower_name]

    def append(self, name: bytes, value: bytes) -> None:
        """Add a field at the end. Raises InvalidHeader."""
        check_field(name, value)
        self.pairs.append((name, value))

    def set(self, name: bytes, value: bytes) -> None:
        """Replace every field of this name, in any case, by one in exactly this spelling. Raises InvalidHeader."""
        check_field(name, value)
        self.remove(name.lower())
        self.pairs.append((name, value))

    def remove(self, lower_name: bytes) -> int:
        """Remove every field of this name; returns how many there were."""
        before = len(self.pairs)
        self.pairs = [pair for pair in self.pairs if pair[0].lower() != lower_name]
        return before - len(self.pairs)

    def remove_where(self, unwanted: Callable[[bytes], bool]) -> list[bytes]:
        """Remove the fields whose wire-spelled name is unwanted; returns the names removed, in order."""
        removed = [name for name, _ in self.pairs if unwanted(name)]
        if removed:
            self.pairs = [pair for pair in self.pairs if not unwanted(pair[0])]
        return removed

    def replace_at(self, index: int, name: bytes, value: bytes) -> None:
        """Overwrite the field at a position, keeping its place. Raises InvalidHeader."""
        check_field(name, value)
        self.pairs[index] = (name, value)

    def replace_value_at(self, index: int, value: bytes) -> None:
        """Overwrite the value at a position; the name, checked when it came in, stays. Raises InvalidHeader."""
        name = self.pairs[index][0]
        if _FORBIDDEN_IN_VALUE.search(value):
            check_field(name, value)
        self.pairs[index] = (name, value)

    def copy(self) -> "Headers":
        """An independent list of the same pairs."""
        return Headers(self.pairs.copy())


def check_field(name: bytes, value: bytes) -> None:
    """Raise InvalidHeader unless the pair can stand in a message as it is."""
    if not _NAME.fullmatch(name):
        raise InvalidHeader("a header name is not a token (RFC 9110 section 5.1)")
    if _FORBIDDEN_IN_VALUE.search(value):
        raise InvalidHeader(f"the value for header {name.decode('ascii')} contains a control character")
