"""
Header fields as an ordered list of `(name, value)` byte pairs, in the spelling and order of the wire.

Lookups ignore case and take the lower-case name. What a parser delivers has been checked by that parser; everything
else enters through `set` and `append`, which refuse what would break the message (RFC 9110 section 5.5).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

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


class Fields(tuple[Pair, ...]):
    """
    Fields that nothing can change, so that a parser and many messages share them.

    A kept connection mostly repeats its fields to the byte: once a parser has seen that, it gives these. What was
    derived from them is kept with them and goes with them. Each attribute belongs to the one module that it names.
    Measured, with whole heads and what the checks found in them: 12 µs of a small exchange's 47. Heads that never
    repeat gain nothing by it and cost about the same as without.
    """

    head: tuple[tuple[bytes, bytes | None, bytes], bytes] | None = None     # protocols/http1/serializer.py
    lines: bytes | None = None              # the same
    sole_token: Any = None                  # transforms/secrets/locations.py
    answer_shape: Any = None                # transforms/secrets/answer_shape.py
    sightings: Any = None                   # transforms/secrets/tripwires.py
    request: Any = None                     # upstream/http1_client.py
    is_bound: bool | None = None            # upstream/bound_connections.py


class Headers:
    """
    The fields of one message. Small on purpose: a sequence, and lookups that scan it (a head has some ten fields).

    `fields` is for reading; `pairs` is a list of this message's own, made when somebody first wants to change it.
    """

    __slots__ = ("fields",)

    def __init__(self, pairs: Fields | list[Pair] | None = None) -> None:
        self.fields: Fields | list[Pair] = [] if pairs is None else pairs

    @property
    def pairs(self) -> list[Pair]:
        """The pairs as a list that may be changed in place, by who has checked what goes in."""
        fields = self.fields
        if isinstance(fields, Fields):
            fields = self.fields = list(fields)
        return fields

    @pairs.setter
    def pairs(self, pairs: list[Pair]) -> None:
        self.fields = pairs

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __repr__(self) -> str:
        names = [name.decode("latin-1") for name, _ in self.fields]     # names only: values may be secret
        return f"<Headers {names}>"

    def get(self, lower_name: bytes) -> bytes | None:
        """The first value of a field, or None."""
        for name, value in self.fields:
            if name.lower() == lower_name:
                return value
        return None

    def get_all(self, lower_name: bytes) -> list[bytes]:
        """Every value of a field, in order."""
        return [value for name, value in self.fields if name.lower() == lower_name]

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
        before = self.fields
        self.fields = [pair for pair in before if pair[0].lower() != lower_name]
        return len(before) - len(self.fields)

    def remove_where(self, unwanted: Callable[[bytes], bool]) -> list[bytes]:
        """Remove the fields whose wire-spelled name is unwanted; returns the names removed, in order."""
        removed = [name for name, _ in self.fields if unwanted(name)]
        if removed:
            self.fields = [pair for pair in self.fields if not unwanted(pair[0])]
        return removed

    def replace_at(self, index: int, name: bytes, value: bytes) -> None:
        """Overwrite the field at a position, keeping its place. Raises InvalidHeader."""
        check_field(name, value)
        self.pairs[index] = (name, value)

    def copy(self) -> "Headers":
        """An independent list of the same pairs."""
        fields = self.fields
        return Headers(fields if isinstance(fields, Fields) else fields.copy())


def check_field(name: bytes, value: bytes) -> None:
    """Raise InvalidHeader unless the pair can stand in a message as it is."""
    if not _NAME.fullmatch(name):
        raise InvalidHeader("a header name is not a token (RFC 9110 section 5.1)")
    if _FORBIDDEN_IN_VALUE.search(value):
        raise InvalidHeader(f"the value for header {name.decode('ascii')} contains a control character")
