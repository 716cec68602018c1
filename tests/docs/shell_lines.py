"""The commands in a block of shell lines, taken apart as far as the docs tests need it, without expansion."""

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_OPERATORS = "|&;<>"
OURS = "iron-proxy"


def commands(block: str) -> Iterator[list[str]]:
    """The words of each simple command, without assignments and redirections; those inside `$(…)` come first."""
    for line in re.sub(r"\\\n\s*", " ", block).splitlines():
        for inner in _SUBSTITUTION.findall(line):
            yield from commands(inner)
        yield from _simple_commands(_SUBSTITUTION.sub("SUBSTITUTED", line))


def calls_of_ours(words: list[str]) -> Iterator[list[str]]:
    """The arguments of each `iron-proxy` that a command starts, by itself or inside of another program."""
    for index, word in enumerate(words):
        is_program = index == 0 or words[index - 1] == "--" or words[:2] == ["docker", "exec"]
        if is_program and PurePosixPath(word).name == OURS:
            yield words[index + 1 :]


def _simple_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split = True
    words: list[str] = []
    redirected = False
    for token in lexer:
        if set(token) <= set("<>"):
            redirected = True
        elif set(token) <= set(_OPERATORS):
            yield from _without_assignments(words)
            words = []
        elif redirected:
            redirected = False
        else:
            words.append(token)
    yield from _without_assignments(words)


def _without_assignments(words: list[str]) -> Iterator[list[str]]:
    first = next((index for index, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
    if words[first:]:
        yield words[first:]
