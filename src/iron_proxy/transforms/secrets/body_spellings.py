"""
How a body's kind spells the texts in it: as they are, with JSON's escapes, or percent-encoded as in forms.

A token is sought in every spelling, and a secret is written so that the document stays one: `body_tokens.py` searches,
`replace.py` writes. A spelling is told by Content-Type; what it does not know is searched and changed byte by byte.
"""

import json
import re
from collections.abc import Iterable

import re2

from iron_proxy.messages.headers import Headers
from iron_proxy.transforms.secrets import percent

_HEX = rb"[0-9A-Fa-f]"
_PERCENT_UNIT = re.compile(rb"%" + _HEX + rb"{2}|.", re.DOTALL)
_HEX_PAIR = re.compile(_HEX + rb"{2}")
_HIGH, _LOW = rb"\\u[dD][89abAB]" + _HEX + rb"{2}", rb"\\u[dD][c-fC-F]" + _HEX + rb"{2}"
_JSON_UNIT = re.compile(_HIGH + _LOW + rb"|\\u" + _HEX + rb"{4}|\\.|.", re.DOTALL)
_HIGH_SURROGATE = re.compile(_HIGH)
_UNFINISHED_ESCAPE = re.compile(rb"\\(?:u" + _HEX + rb"{0,3})?\Z")
_UNICODE_ESCAPE = re.compile(rb"\\u" + _HEX + rb"{4}")
_JSON_LETTERS = {b"b": b"\b", b"t": b"\t", b"n": b"\n", b"f": b"\f", b"r": b"\r"}
_SHORT = {"\b": b"b", "\t": b"t", "\n": b"n", "\f": b"f", "\r": b"r", '"': b'"', "\\": b"\\", "/": b"/"}
# Of one \\uXXXX, of which a character beyond the first 65,536 takes two.
_JSON_ESCAPE_BYTES = 6

# Of backslashes; longer ones are seldom sent by programs.
_SHORT_ROW = 64

_BACKSLASH, _PERCENT = ord("\\"), ord("%")


class Spelling:
    """Bytes that stand for themselves. The other spellings differ in what their units are: characters or escapes."""

    name = ""
    marker = b""                              # begins every escape; b"" where there are none
    longest_unit = 1                          # bytes of a spelling per byte of what it spells

    def encode(self, value: bytes) -> bytes:
        """A text as it is written into the body."""
        return value

    def decode(self, spelt: bytes) -> bytes:
        """What some whole units of the body mean."""
        return spelt

    def escapes(self, tokens: Iterable[bytes]) -> bytes:
        """A regular expression: a text without any match of it spells no token but plainly."""
        return b""

    def pattern(self, token: bytes) -> bytes:
        """A regular expression of all spellings of a token, the plain one included."""
        return bytes(re2.escape(token))

    def is_within_unit(self, text: bytes, position: int) -> bool:
        """Whether the position in the text, which begins with a unit, is inside an escape."""
        return False

    def units(self, text: bytes) -> list[bytes]:
        """The text cut into its units."""
        return [text[at : at + 1] for at in range(len(text))]

    def unfinished_from(self, text: bytes) -> int:
        """Where the unit begins that is not complete at the text's end; the text's length where there is none."""
        return len(text)


class FormSpelling(Spelling):
    """application/x-www-form-urlencoded."""

    name = "form"
    marker = b"%"
    longest_unit = 3

    def encode(self, value: bytes) -> bytes:
        """All but the unreserved characters escaped."""
        return percent.encode(value)

    def decode(self, spelt: bytes) -> bytes:
        """`+` is a space."""
        return percent.decode(spelt, plus_is_space=True)

    def escapes(self, tokens: Iterable[bytes]) -> bytes:
        """Of the bytes that are in tokens."""
        return _any_of({spelt for byte in set(b"".join(tokens)) for spelt in _form_spellings(byte)[1:]})

    def pattern(self, token: bytes) -> bytes:
        """Each byte as it is, or escaped."""
        return b"".join(_any_of(_form_spellings(byte)) for byte in token)

    def is_within_unit(self, text: bytes, position: int) -> bool:
        """Behind the first byte of an escape."""
        return any(
            position >= back and text[position - back] == _PERCENT and _HEX_PAIR.match(text, position - back + 1)
            for back in (1, 2)
        )

    def units(self, text: bytes) -> list[bytes]:
        """Escapes and bytes."""
        return _PERCENT_UNIT.findall(text)

    def unfinished_from(self, text: bytes) -> int:
        """A `%` in the last two bytes."""
        escape = text.rfind(b"%", max(0, len(text) - 2))
        return escape if escape >= 0 else len(text)


class JSONSpelling(Spelling):
    """The strings of a JSON document, or of several."""

    name = "json"
    marker = b"\\"
    longest_unit = _JSON_ESCAPE_BYTES

    def encode(self, value: bytes) -> bytes:
        """With the escapes that JSON demands, and no others."""
        text = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
        return text[1:-1].encode("utf-8", "surrogateescape")

    def decode(self, spelt: bytes) -> bytes:
        """Without its escapes."""
        return b"".join(map(_json_meaning, _JSON_UNIT.findall(spelt))) if b"\\" in spelt else spelt

    def escapes(self, tokens: Iterable[bytes]) -> bytes:
        """Of the characters that are in tokens."""
        characters = set(b"".join(tokens).decode("utf-8", "ignore"))
        return _any_of({spelt for char in characters for spelt in _json_spellings(char)[1:]})

    def pattern(self, token: bytes) -> bytes:
        """Each character as it is, or in any of its escapes."""
        try:
            characters = token.decode()
        except UnicodeDecodeError:                # no JSON holds it but plainly
            return super().pattern(token)
        return b"".join(_any_of(_json_spellings(char)) for char in characters)

    def is_within_unit(self, text: bytes, position: int) -> bool:
        """Behind the first byte of an escape."""
        if position and text[position - 1] == _BACKSLASH and _begins_escape(text, position - 1):
            return True
        escape = text.rfind(rb"\u", max(0, position - _JSON_ESCAPE_BYTES + 1), position)
        return escape >= 0 and bool(_UNICODE_ESCAPE.match(text, escape)) and _begins_escape(text, escape)

    def units(self, text: bytes) -> list[bytes]:
        """Escapes, the two of one character together, and bytes."""
        return _JSON_UNIT.findall(text)

    def unfinished_from(self, text: bytes) -> int:
        """An escape that is not complete, or whose other half may follow."""
        end = len(text)
        match = _UNFINISHED_ESCAPE.search(text, max(0, end - _JSON_ESCAPE_BYTES + 1))
        if match is not None and _begins_escape(text, match.start()):
            end = match.start()
        pair = max(0, end - _JSON_ESCAPE_BYTES)       # the half of a character
        return pair if _HIGH_SURROGATE.fullmatch(text, pair, end) and _begins_escape(text, pair) else end


PLAIN, FORM, JSON = Spelling(), FormSpelling(), JSONSpelling()


def spelling_of(headers: Headers, start: bytes) -> Spelling:
    """How the body of a message with these fields spells its texts; `start` is its beginning, as far as it is known."""
    kind = media_type(headers)
    if kind == b"application/x-www-form-urlencoded":
        # curl -d calls everything a form, and so do many; their readers take JSON for what it is.
        return JSON if start.lstrip()[:1] in (b"{", b"[") else FORM
    subtype = kind.rpartition(b"/")[2]
    is_json = subtype.endswith(b"json") or subtype in (b"json-seq", b"jsonl", b"json-lines", b"jsonlines")
    return JSON if is_json else PLAIN


def media_type(headers: Headers) -> bytes:
    """Type and subtype of the body in lower case, without parameters; b"" when there is none."""
    return (headers.get(b"content-type") or b"").partition(b";")[0].strip().lower()


def _form_spellings(byte: int) -> list[bytes]:
    """Plainly, and escaped."""
    either_case = b"".join(_either_case(digit) for digit in f"{byte:02x}")
    spellings = [bytes(re2.escape(bytes([byte]))), b"%" + either_case]
    return [*spellings, rb"\+"] if byte == ord(" ") else spellings


def _json_spellings(char: str) -> list[bytes]:
    """Plainly, and in each of its escapes."""
    coded = char.encode("utf-16-be")
    units = (coded[at : at + 2].hex() for at in range(0, len(coded), 2))
    escaped = b"".join(rb"\\u" + b"".join(map(_either_case, unit)) for unit in units)
    spellings = [bytes(re2.escape(char.encode())), escaped]
    return [*spellings, rb"\\" + bytes(re2.escape(_SHORT[char]))] if char in _SHORT else spellings


def _either_case(digit: str) -> bytes:
    return digit.encode() if digit.isdecimal() else f"[{digit}{digit.upper()}]".encode()


def _any_of(spellings: Iterable[bytes]) -> bytes:
    return b"(?:" + b"|".join(sorted(spellings)) + b")"


def _json_meaning(unit: bytes) -> bytes:
    if unit[:2] == rb"\u" and len(unit) >= _JSON_ESCAPE_BYTES:
        coded = bytes.fromhex(unit.replace(rb"\u", b"").decode("ascii"))
        return coded.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")
    return _JSON_LETTERS.get(unit[1:], unit[1:]) if len(unit) == 2 else unit


def _begins_escape(text: bytes, position: int) -> bool:
    """Whether the backslash there begins an escape: of a row of them every second one is itself escaped."""
    size = _SHORT_ROW
    while True:                                       # not byte by byte: a client may send nothing but backslashes
        before = text[max(0, position - size) : position]
        row = len(before) - len(before.rstrip(b"\\"))
        if row < size:
            return row % 2 == 0
        size *= _SHORT_ROW
