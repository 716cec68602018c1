"""
The small part of Go's `text/template` that formatters and messages are written in.

Literal text; `{{ .Value }}` and `{{ .Credentials.name }}`; `{{ base64 "user:" .Value }}` with the functions that the
caller names; string literals, `"..."` and raw in backquotes; comments; the trim markers `{{-` and `-}}`. Everything
else that Go knows (pipelines, if, range, variables) is refused when the configuration is loaded. Fields are looked up
in mappings, never as attributes of Python objects: a template reaches exactly what it is given.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

Function = Callable[..., str]
Values = Mapping[str, "str | Values"]

_BLANKS = " \t\r\n"
_TOKEN = re.compile(
    r"""
      (?P<blank>  [ \t\r\n]+ )
    | (?P<field>  (?: \. [A-Za-z_][A-Za-z0-9_]* )+ )
    | (?P<word>   [A-Za-z_][A-Za-z0-9_]* )
    | (?P<quoted> " (?: [^"\\\n] | \\[^\n] )* " )
    | (?P<raw>    ` [^`]* ` )
    """,
    re.ASCII | re.VERBOSE,
)
_CLOSE = re.compile(r"(?:[ \t\r\n]-)?\}\}")
_TRIMMING_OPEN = re.compile(r"\{\{-[ \t\r\n]")
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))?")
_SIMPLE_ESCAPES = dict(zip('abfnrtv\\"', b'\a\b\f\n\r\t\v\\"', strict=True))
# Go words that are part of its language and not of ours; naming them says more than "unknown function".
_GO_KEYWORDS = frozenset(
    ("block", "break", "continue", "define", "else", "end", "false", "if", "nil", "range", "template", "true", "with")
)
_LANGUAGE = "a template has fields such as {{ .Value }}, string literals, and calls of its functions, nothing else"


class TemplateError(ValueError):
    """A template that cannot be used. The message says where, as line and column, and quotes only names."""


class MissingField(LookupError):
    """Rendering asked for a field that the values do not have. The message holds its name only."""


@dataclass(frozen=True, slots=True)
class _Field:
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "." + ".".join(self.path)


@dataclass(frozen=True, slots=True)
class _Call:
    function: Function
    arguments: "tuple[_Field | str, ...]"


_Part = str | _Field | _Call


class Template:
    """A parsed template. Immutable; one serves all requests."""

    __slots__ = ("_parts", "fields")

    def __init__(self, parts: tuple[_Part, ...]) -> None:
        self._parts = parts
        # The fields that the text mentions, as dotted paths.
        self.fields = frozenset(".".join(field.path) for field in _fields_of(parts))

    @classmethod
    def parse(
        cls, text: str, fields: Collection[str] | None = None, functions: Mapping[str, Function] | None = None
    ) -> "Template":
        """
        Read a template.

        `fields` are the dotted paths that may be used; `Credentials.*` admits any name below `Credentials`, None
        admits all. `functions` take and return text. Raises TemplateError.
        """
        return cls(tuple(_Parser(text, fields, functions or {}).parts()))

    def render(self, values: Values) -> str:
        """The text with the fields filled in. Raises MissingField, and what a function raises."""
        return "".join(_rendered(part, values) for part in self._parts)


def _fields_of(parts: tuple[_Part, ...]) -> Iterator[_Field]:
    for part in parts:
        if isinstance(part, _Field):
            yield part
        elif isinstance(part, _Call):
            yield from (argument for argument in part.arguments if isinstance(argument, _Field))


def _rendered(part: _Part, values: Values) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, _Call):
        return part.function(*(_rendered(argument, values) for argument in part.arguments))
    found: str | Values = values
    for name in part.path:
        if not isinstance(found, Mapping) or name not in found:
            raise MissingField(f"{part} has no value")
        found = found[name]
    if not isinstance(found, str):
        raise MissingField(f"{part} is not a text")
    return found


class _Parser:
    def __init__(self, text: str, fields: Collection[str] | None, functions: Mapping[str, Function]) -> None:
        self._text = text
        self._known_fields = fields
        self._functions = functions
        self._position = 0
        self._trims_next = False  # whether the last action ended in a trim marker

    def parts(self) -> Iterator[_Part]:
        """Literal text and actions in turn."""
        while (opening := self._text.find("{{", self._position)) >= 0:
            literal = self._literal(opening)
            is_trimming = _TRIMMING_OPEN.match(self._text, opening) is not None
            literal = literal.rstrip(_BLANKS) if is_trimming else literal
            if literal:
                yield literal
            self._position = opening + (4 if is_trimming else 2)
            if self._text.startswith("/*", self._position):
                self._skip_comment(opening)
            else:
                yield self._action(opening)
        if rest := self._literal(len(self._text)):
            yield rest

    def _literal(self, end: int) -> str:
        literal = self._text[self._position : end]
        return literal.lstrip(_BLANKS) if self._trims_next else literal

    def _close(self, close: re.Match[str]) -> None:
        self._position = close.end()
        self._trims_next = close[0] != "}}"

    def _skip_comment(self, opening: int) -> None:
        end = self._text.find("*/", self._position + 2)
        if end < 0:
            self._fail(opening, "the comment that opens here is not closed: */ is missing")
        close = _CLOSE.match(self._text, end + 2)
        if close is None:
            self._fail(end, "a comment must be alone in its braces: {{/* ... */}}")
        self._close(close)

    def _action(self, opening: int) -> _Part:
        words = list(self._words(opening))
        if not words:
            self._fail(opening, "an action is empty; write a field such as {{ .Value }}")
        (kind, first, start), *rest = words
        if kind == "word":
            function = self._function(first, start)
            return _Call(function, tuple(self._operand(*word) for word in rest))
        if rest:
            self._fail(rest[0][2], "a field or literal stands alone; to join texts write them side by side")
        return self._operand(kind, first, start)

    def _words(self, opening: int) -> Iterator[tuple[str, str, int]]:
        """The tokens of one action as (kind, text, place), with blanks between them."""
        may_follow = True
        while (close := _CLOSE.match(self._text, self._position)) is None:
            token = _TOKEN.match(self._text, self._position)
            if token is None or token.lastgroup is None:
                self._refuse(opening)
            if token.lastgroup != "blank":
                if not may_follow:
                    self._fail(self._position, "words of an action are separated by blanks")
                yield token.lastgroup, token[0], self._position
            may_follow = token.lastgroup == "blank"
            self._position = token.end()
        self._close(close)

    def _refuse(self, opening: int) -> NoReturn:
        place = self._position
        character = self._text[place : place + 1]
        if not character:
            self._fail(opening, "the action that opens here is not closed: }} is missing")
        if character in '"`':
            self._fail(place, "a string literal is not closed")
        named = {"|": "a pipeline", "$": "a variable", "(": "a parenthesis", ".": "the bare dot"}.get(character)
        self._fail(place, f"{named or 'this character'} is not understood; {_LANGUAGE}")

    def _operand(self, kind: str, text: str, place: int) -> _Field | str:
        if kind == "field":
            return self._field(text, place)
        if kind == "raw":
            return text[1:-1].replace("\r", "")  # as Go's raw string literals
        if kind == "quoted":
            return self._unquoted(text[1:-1], place)
        self._fail(place, f'"{text}" cannot be an argument; {_LANGUAGE}')

    def _field(self, text: str, place: int) -> _Field:
        path = text[1:]
        known = self._known_fields
        if known is not None and path not in known and f"{path.rpartition('.')[0]}.*" not in known:
            offered = ", ".join(f".{name}" for name in sorted(known)) or "none"
            self._fail(place, f"unknown field {text} (known: {offered})")
        return _Field(tuple(path.split(".")))

    def _function(self, name: str, place: int) -> Function:
        if name in _GO_KEYWORDS:
            self._fail(place, f'"{name}" is not available; {_LANGUAGE}')
        if name not in self._functions:
            offered = ", ".join(sorted(self._functions)) or "none"
            self._fail(place, f'unknown function "{name}" (known: {offered})')
        return self._functions[name]

    def _unquoted(self, body: str, place: int) -> str:
        """The value of an interpreted string literal; octal and \\x escapes are bytes of UTF-8."""
        result = bytearray()
        end = 0
        for escape in _ESCAPE.finditer(body):
            result += body[end : escape.start()].encode("utf-8", "surrogatepass")
            result += self._escaped(escape, place)
            end = escape.end()
        result += body[end:].encode("utf-8", "surrogatepass")
        try:
            return result.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            self._fail(place, "the escapes of a string literal are not UTF-8")

    def _escaped(self, escape: re.Match[str], place: int) -> bytes:
        simple, octal, hexadecimal, short, long = escape.groups()
        if simple:
            return bytes([_SIMPLE_ESCAPES[simple]])
        if octal and int(octal, 8) <= 0xFF:
            return bytes([int(octal, 8)])
        if hexadecimal:
            return bytes([int(hexadecimal, 16)])
        number = int(short or long or "0", 16)
        if not (short or long) or number > 0x10FFFF or 0xD800 <= number < 0xE000:
            self._fail(place, "a string literal has an escape that Go does not know")
        return chr(number).encode()

    def _fail(self, place: int, sentence: str) -> NoReturn:
        line = self._text.count("\n", 0, place) + 1
        column = place - self._text.rfind("\n", 0, place)
        raise TemplateError(f"line {line}, column {column}: {sentence}")
