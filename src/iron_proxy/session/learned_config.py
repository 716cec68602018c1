"""A configuration with the rules that admit what was seen, and no more: the text that `-learn` writes. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from iron_proxy.messages.authority import DEFAULT_PORTS
from iron_proxy.session.learning import LearnedRequests, Seen

_HEADER: Final = """\
# What a program asked for under `iron-proxy run -learn`, as rules that admit exactly that.
# Each is a proposal: strike what it should not have, and shorten lists of paths to patterns such as /v1/*.
# To run it with these rules enforced:  iron-proxy run -config THIS-FILE -- COMMAND
# Secrets stand in no rule: give -secret again, or add a `secrets` transform.
"""
_NOTHING: Final = "# Nothing was asked for.\n"
_WILDCARD: Final = re.compile(r"([*?\[\\])")
_ANY_PATH: Final = "asked for with paths that can be read in two ways, which no rule can name: any path"


def learned_config(learned: LearnedRequests) -> str:
    """The text of the file."""
    lines = ["transforms:", "  - name: allowlist", "    config:"]
    rules = [line for seen in sorted(learned.paths) for line in _rule(seen, learned)]
    lines += ["      rules:", *rules] if rules else ["      rules: []"]
    if learned.omitted:
        lines.append(f"# {learned.omitted} more requests were for yet other paths: that many are not written down.")
    return _HEADER + ("" if rules else _NOTHING) + "\n".join(lines) + "\n"


def _rule(seen: Seen, learned: LearnedRequests) -> Iterator[str]:
    paths, unnamed = learned.paths[seen], learned.unnamed[seen]
    total = sum(paths.values()) + unnamed
    yield f"        - host: {_text(seen.target.host)}  # {total} request{'s' if total > 1 else ''}"
    if seen.target.port != DEFAULT_PORTS[seen.scheme]:
        yield f"          ports: [{seen.target.port}]"
    if not seen.method:
        yield "          # TLS that was passed through: methods and paths cannot be seen"
        return
    yield f"          schemes: [{seen.scheme}]"
    yield f"          methods: [{_text(seen.method)}]"
    if unnamed:
        yield f"          # {unnamed} {_ANY_PATH}"
        return
    yield "          paths:"
    for path, count in sorted(paths.items()):
        yield f"            - {_text(_pattern(path))}  # {count}"


def _pattern(path: str) -> str:
    """The path pattern that fits this path alone."""
    return _WILDCARD.sub(r"\\\1", path)


def _text(text: str) -> str:
    """As a double-quoted scalar (YAML 1.2 section 7.3.1), which can hold any text."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"
