"""
Learned rules as YAML that people read and the load accepts, with how often each was needed as comments. Pure.

Everything from a record is escaped, in scalars and in comments: a path cannot become a line of the policy.
"""

from collections.abc import Iterable, Iterator

from iron_proxy.audit_reading.terminal_text import escaped
from iron_proxy.learning.generalizing import SeenPattern
from iron_proxy.learning.rules import LearnedRule

# A list of a few words stands on one line.
_PLAIN_WORDS = frozenset((
    "http", "https", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"
))  # fmt: skip
_FLOW_KEYS = ("schemes", "ports", "clients", "methods")


def rules_lines(rules: Iterable[LearnedRule]) -> Iterator[str]:
    """The key `rules:` with its elements, not indented."""
    is_empty = True
    for rule in rules:
        if is_empty:
            yield "rules:"
            is_empty = False
        yield from _rule_lines(rule)
    if is_empty:
        yield "rules: []"


def rules_as_json(rules: Iterable[LearnedRule]) -> list[dict[str, object]]:
    """The same for programs: each rule as an element of `rules:`, with its evidence beside it."""
    return [
        {
            "rule": rule.mapping(),
            "requests": rule.requests,
            "paths": {each.text: {"requests": each.requests, "paths": each.paths} for each in rule.patterns},
            "notes": list(rule.notes),
        }
        for rule in rules
    ]


def comment_lines(sentences: Iterable[str]) -> Iterator[str]:
    """Sentences as comments; what is from a record must have been escaped."""
    for sentence in sentences:
        yield f"# {sentence}" if sentence else "#"


def quoted(text: str) -> str:
    """As a double-quoted scalar (YAML 1.2 section 7.3.1), which can hold any text."""
    return '"' + "".join(map(_escaped_character, text)) + '"'


def counted(number: int, word: str) -> str:
    """`1 request`, `2 requests`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _rule_lines(rule: LearnedRule) -> Iterator[str]:
    mapping = rule.mapping()
    yield f"  - host: {quoted(rule.target.host)}  # {counted(rule.requests, 'request')}"
    for note in rule.notes:
        yield f"    # {escaped(note)}"
    for key in _FLOW_KEYS:
        values = mapping.get(key)
        if isinstance(values, list):
            yield f"    {key}: [{', '.join(_scalar(value) for value in values)}]"
    if rule.patterns:
        yield "    paths:"
        for pattern in rule.patterns:
            yield f"      - {quoted(pattern.text)}  # {_evidence(pattern)}"


def _evidence(pattern: SeenPattern) -> str:
    if not pattern.has_wildcards:
        return str(pattern.requests)
    return f"{pattern.requests}, wider than the {counted(pattern.paths, 'path')} seen"


def _scalar(value: object) -> str:
    text = str(value)
    return text if isinstance(value, int) or text in _PLAIN_WORDS else quoted(text)


def _escaped_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"
