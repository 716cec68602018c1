"""
Shell patterns with the meaning of Go's `path.Match`: `*`, `?`, `[a-z]`, `[^a-z]` and backslash escapes.

`*` and `?` do not cross a `/`; a class may contain one, and `[^a]` does. `!` does not negate. What is special about
hosts (a leading `*.`) or paths (a final `/*`) is the business of those who match them.

Linear by construction, whatever the name: a pattern is fixed pieces between stars, each piece is taken at its first
place and never given back (an atomic group), so that matching costs at most the length of the name times that of the
pattern. Giving back would also be wrong: Go does not.
"""

import re

_NOT_SLASH = "[^/]"
_ANYTHING = r"[\s\S]"
_NOTHING = "(?!)"


def compile_path_match(pattern: str) -> re.Pattern[str]:
    """
    An object whose `fullmatch` decides whether a name matches.

    Raises ValueError for a malformed pattern, wherever in it the fault is.
    """
    first, *rest = _pieces(pattern)
    if not rest:
        return re.compile(first)
    *middle, last = [_NOT_SLASH + "*?" + piece for piece in rest]
    # Only the last piece may be looked for again: it has to end where the name ends.
    return re.compile(first + "".join(f"(?>{piece})" for piece in middle) + last)


def _pieces(pattern: str) -> list[str]:
    """The pattern cut at its stars, each piece as a regular expression of fixed length."""
    pieces = [""]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "*":
            position += 1
            if pieces[-1] or len(pieces) == 1:  # "**" is "*"
                pieces.append("")
            continue
        if character == "[":
            piece, position = _class(pattern, position + 1)
        elif character == "?":
            piece, position = _NOT_SLASH, position + 1
        else:
            literal, position = _literal(pattern, position)
            piece = re.escape(literal)
        pieces[-1] += piece
    return pieces


def _class(pattern: str, position: int) -> tuple[str, int]:
    is_negated = pattern[position : position + 1] == "^"
    position += is_negated
    ranges: list[str] = []
    is_first = True
    while is_first or pattern[position : position + 1] != "]":
        low, position = _class_member(pattern, position)
        high = low
        if pattern[position : position + 1] == "-":
            high, position = _class_member(pattern, position + 1)
        if low <= high:  # Go takes a range the wrong way round as an empty one
            ranges.append(f"{_code(low)}-{_code(high)}")
        is_first = False
    if not ranges:
        return _ANYTHING if is_negated else _NOTHING, position + 1
    return f"[{'^' if is_negated else ''}{''.join(ranges)}]", position + 1


def _class_member(pattern: str, position: int) -> tuple[str, int]:
    if position >= len(pattern):
        raise ValueError("a character class is not closed: ] is missing")
    if pattern[position] in "-]":
        character = pattern[position]
        raise ValueError(f"a character class has a {character} where a character must stand; write \\{character}")
    return _literal(pattern, position)


def _literal(pattern: str, position: int) -> tuple[str, int]:
    if pattern[position] != "\\":
        return pattern[position], position + 1
    if position + 1 >= len(pattern):
        raise ValueError("a pattern ends in a backslash that escapes nothing")
    return pattern[position + 1], position + 2


def _code(character: str) -> str:
    return f"\\U{ord(character):08x}"
