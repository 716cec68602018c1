"""
Paths taken apart: segments, and in each what stays the same and what is an id of some kind.

    /repos/42/archive/app-1.2.3.tgz  →  "repos"  *  "archive"  "app-" * ".tgz"      and  42, 1.2.3

A segment is a tuple of the texts between its wildcards, so ("app-", ".tgz") is `app-*.tgz` and ("", "") is `*`.
Whether an id becomes a wildcard is decided in `generalizing.py`. Pure.
"""

import re

# The texts between wildcards. One text is a segment without wildcards.
Segment = tuple[str, ...]
Path = tuple[Segment, ...]

ANYTHING: Segment = ("", "")

# What is likely to be another thing next time. Each begins and ends beside what is no letter and no digit, so that
# `utf8` or `base64url` stay words; `v1` is the name of an interface, not of a version of something.
_ID = re.compile(
    r"""(?<![0-9A-Za-z])(?:
        [0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}                          # UUID
      | [0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]+Z?)?                                    # date, time
      | v?[0-9]+(?:\.[0-9]+)+(?:[-.+]?(?:alpha|beta|rc|pre|dev|next|canary|post|a|b)[0-9.-]*[0-9])?  # version
      | (?=[a-f]*[0-9])[0-9a-f]{7,} | (?=[A-F]*[0-9])[0-9A-F]{7,}                     # hash, short or long
      | (?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[0-9A-Za-z]{16,}                          # random letters and digits
      | [0-9]+                                                                        # number
    )(?![0-9A-Za-z])""",
    re.VERBOSE,
)
# What a wildcard matches beside a slash is anything, so that an id next to one adds nothing.
_WILDCARD_CHARACTERS = re.compile(r"([*?\[\\])")
_ESCAPE = re.compile(r"%(?=[0-9A-Fa-f]{2})")


def segments_of(path: str) -> Path:
    """A path that begins with `/` as segments without wildcards."""
    return tuple((segment,) for segment in path[1:].split("/"))


def shape_of(path: str) -> tuple[Path, tuple[str, ...]]:
    """(the path with a wildcard for each id, the ids in their order)."""
    segments, ids = [], []
    for segment in path[1:].split("/"):
        texts, end = [], 0
        for found in _ID.finditer(segment):
            texts.append(segment[end : found.start()])
            ids.append(found[0])
            end = found.end()
        segments.append((*texts, segment[end:]))
    return tuple(segments), tuple(ids)


def filled(shape: Path, ids: tuple[str | None, ...]) -> Path:
    """A shape with ids put back; None leaves the wildcard."""
    remaining, segments = iter(ids), []
    for segment in shape:
        texts = [segment[0]]
        for text in segment[1:]:
            value = next(remaining)
            if value is None:
                texts.append(text)
            else:
                texts[-1] += value + text
        segments.append(tuple(texts))
    return tuple(segments)


def has_wildcards(path: Path) -> bool:
    """Whether it stands for more than one path."""
    return any(len(segment) > 1 for segment in path)


def example_of(path: Path) -> str:
    """A path that it covers."""
    return "/" + "/".join("1".join(segment) for segment in path)


def matches(segment: Segment, text: str) -> bool:
    """Whether a segment covers a text without slashes."""
    if len(segment) == 1:
        return text == segment[0]
    first, *middle, last = segment
    if len(text) < sum(map(len, segment)) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def pattern_text(path: Path) -> str:
    """
    As a rule's `paths` has it. A final `/*` would be everything below, so a last segment that may be anything is `?*`.
    """
    texts = ["*".join(map(_literal, segment)) for segment in path]
    if path[-1] == ANYTHING:
        texts[-1] = "?*"
    return "/" + "/".join(texts)


def _literal(text: str) -> str:
    # A % with two digits behind it would look like an escape to whoever reads the rule, and to the load.
    return _ESCAPE.sub("[%]", _WILDCARD_CHARACTERS.sub(r"\\\1", text))
