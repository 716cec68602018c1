"""
Which header fields an operator means: a name, or `/regex/` searched in the name, ignoring case.

Used by transforms that list headers. Names are compared lower-case; `wire_name` keeps the operator's spelling for
those who write the field.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import re2

from iron_proxy.matching.glob import quiet_options
from iron_proxy.messages.headers import TOKEN

_NAME = re.compile(TOKEN + rb"+")


class InvalidHeaderRegex(ValueError):
    """The text between the slashes is not RE2. `pattern` is that text; the message says what RE2 objects to."""

    def __init__(self, pattern: str, reason: str) -> None:
        super().__init__(reason)
        self.pattern = pattern


@dataclass(frozen=True, slots=True, eq=False)
class HeaderPattern:
    """One entry of a list of headers."""

    text: str  # as the operator wrote it
    literal_lower: bytes | None  # None for a regex
    wire_name: bytes  # the operator's spelling; b"" for a regex
    _compiled: Any = field(default=None, repr=False)  # Any: google-re2 ships no types

    @classmethod
    def parse(cls, text: str) -> "HeaderPattern":
        """Read an entry. Raises InvalidHeaderRegex, or ValueError with a sentence for what is no header name."""
        if len(text) >= 2 and text[0] == text[-1] == "/":
            return cls(text, None, b"", _compile(text[1:-1]))
        try:
            name = parse_header_name(text)
        except ValueError as error:
            raise ValueError(f"{error}; a regular expression stands between slashes: /^X-.*$/") from None
        return cls(text, name.lower(), name)

    def matches(self, name: bytes) -> bool:
        """Whether a field of this name, in any case, is meant."""
        if self.literal_lower is not None:
            return name.lower() == self.literal_lower
        return self._compiled.search(name) is not None


def parse_header_name(text: str) -> bytes:
    """A field name as it goes on the wire. Raises ValueError with a sentence."""
    name = text.encode("utf-8", "replace")
    if not _NAME.fullmatch(name):
        raise ValueError(f'"{text}" is not a header name')
    return name


def _compile(pattern: str) -> Any:  # Any: as above
    options = quiet_options()
    options.case_sensitive = False
    try:
        # Bytes, because names arrive as bytes and re2 counts characters of text slowly.
        return re2.compile(pattern.encode(), options)
    except UnicodeEncodeError:
        raise InvalidHeaderRegex(pattern, "it holds half a character (a lone surrogate)") from None
    except re2.error as error:
        raise InvalidHeaderRegex(pattern, _reason(error)) from None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else b"not RE2"
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
