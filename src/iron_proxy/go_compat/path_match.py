"""
Shell patterns with the meaning of Go's `path.Match`, as RE2 text: `*`, `?`, `[a-z]`, `[^a-z]` and backslash escapes.

Stricter in two places: a negated class does not cross a `/`, no more than `*` and `?` do, and a range the wrong way
round is an error instead of matching nothing. `!` does not negate. What is special about hosts (a leading `*.`) or
paths (a final `/*`) is the business of those who match them; `matching/glob.py` compiles the text.
"""

# One RE2 program of a pattern of this length stays far below RE2's own memory limit of 8 MiB.
MAX_GLOB_LENGTH = 2048

_NOT_SLASH = "[^/]"


def regex_of_glob(glob: str) -> str:
    """The glob as RE2 text, to be matched against the whole. Raises ValueError with a sentence."""
    if len(glob) > MAX_GLOB_LENGTH:
        raise ValueError(f"a pattern is at most {MAX_GLOB_LENGTH} characters long")
    pieces: list[str] = []
    position = 0
    while position < len(glob):
        character = glob[position]
        if character == "[":
            piece, position = _class(glob, position + 1)
        elif character == "*":
            piece, position = _NOT_SLASH + "*", position + 1
        elif character == "?":
            piece, position = _NOT_SLASH, position + 1
        else:
            literal, position = _literal(glob, position)
            piece = _escaped(literal)
        if piece != _NOT_SLASH + "*" or pieces[-1:] != [piece]:  # "**" is "*"
            pieces.append(piece)
    return "".join(pieces)


def _class(glob: str, position: int) -> tuple[str, int]:
    negated = glob[position : position + 1] == "^"
    position += negated
    ranges: list[str] = []
    while not (ranges and glob[position : position + 1] == "]"):
        low, position = _class_member(glob, position)
        high = low
        if glob[position : position + 1] == "-":
            high, position = _class_member(glob, position + 1)
        if low > high:
            raise ValueError(f"the character class has the range {low}-{high} the wrong way round")
        ranges.append(f"{_escaped(low)}-{_escaped(high)}")
    return f"[{'^/' if negated else ''}{''.join(ranges)}]", position + 1


def _class_member(glob: str, position: int) -> tuple[str, int]:
    if position >= len(glob):
        raise ValueError("a character class is not closed: ] is missing")
    if glob[position] in "-]":
        raise ValueError(f"a character class has an unescaped {glob[position]}; write \\{glob[position]}")
    return _literal(glob, position)


def _literal(glob: str, position: int) -> tuple[str, int]:
    if glob[position] != "\\":
        return glob[position], position + 1
    if position + 1 >= len(glob):
        raise ValueError("a pattern ends in a backslash that escapes nothing")
    return glob[position + 1], position + 2


def _escaped(character: str) -> str:
    # Surrogates cannot be written as UTF-8, and no decoded path or host holds one.
    if 0xD800 <= ord(character) <= 0xDFFF:
        raise ValueError("a pattern holds half a character (a lone surrogate)")
    return f"\\x{{{ord(character):x}}}"
