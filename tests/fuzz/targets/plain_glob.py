"""
Go's `path.Match`, read off its documentation and tried out place by place: slow, and plain enough to be believed.

With our two departures: nothing but a literal slash matches one, and what is malformed has been refused before.
"""

from functools import cache

# A literal character, `*` and `?` as themselves in a tuple of their own, or a class: (negated, ranges).
_Class = tuple[bool, tuple[tuple[str, str], ...]]
_Part = str | tuple[str] | _Class


def plainly_matches(pattern: str, name: str) -> bool:
    """Whether a well-formed pattern covers the whole name."""
    parts = tuple(_parts(pattern))

    @cache
    def matches(part: int, at: int) -> bool:
        if part == len(parts):
            return at == len(name)
        if parts[part] == ("*",):
            return matches(part + 1, at) or (at < len(name) and name[at] != "/" and matches(part, at + 1))
        return at < len(name) and _covers(parts[part], name[at]) and matches(part + 1, at + 1)

    return matches(0, 0)


def _covers(part: _Part, character: str) -> bool:
    if isinstance(part, str):
        return character == part
    if len(part) == 1:
        return character != "/"
    negated, ranges = part
    is_in = any(low <= character <= high for low, high in ranges)
    return (not is_in and character != "/") if negated else is_in


def _parts(pattern: str) -> list[_Part]:
    letters = list(pattern)
    parts: list[_Part] = []
    while letters:
        letter = letters.pop(0)
        if letter in "*?":
            parts.append((letter,))
        elif letter == "[":
            parts.append(_class(letters))
        else:
            parts.append(letters.pop(0) if letter == "\\" else letter)
    return parts


def _class(letters: list[str]) -> _Class:
    negated = letters[0] == "^"
    if negated:
        letters.pop(0)
    ranges: list[tuple[str, str]] = []
    while letters[0] != "]" or not ranges:
        low = high = _member(letters)
        if letters[0] == "-":
            letters.pop(0)
            high = _member(letters)
        ranges.append((low, high))
    letters.pop(0)
    return negated, tuple(ranges)


def _member(letters: list[str]) -> str:
    letter = letters.pop(0)
    return letters.pop(0) if letter == "\\" else letter
