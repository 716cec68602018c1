"""A name says what a thing is. Words that say nothing are not used for modules, classes or functions."""

import ast
import re

import pytest
from tests.structure.source_tree import functions, source_files, tree_of

EMPTY_WORDS = {
    "base", "common", "core", "data", "helper", "helpers", "holder", "impl", "info", "manager", "misc", "util", "utils",
}  # fmt: skip
# Verbs that fit any function.
EMPTY_VERBS = {"do", "handle", "process"}

# `handle` alone is the main path of a request (`proxy/handler.py`). These are names that asyncio and http.server call
# by, and X.509's word for a field.
# The last ones are the names of protocols: DATA is a frame of HTTP/2.
EXCEPTIONS = {
    "_fits_common_name", "data_received", "do_GET", "do_POST", "handle_error", "DataReceived", "send_data",
    "receive_data",
}  # fmt: skip


@pytest.mark.parametrize("path", source_files())
def test_modules_classes_and_functions_have_telling_names(path: str) -> None:
    classes = [node.name for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)]
    functions_here = [function.name for function in functions(tree_of(path))]

    empty = [name for name in [*path.removesuffix(".py").split("/"), *classes, *functions_here] if is_empty(name)]
    empty += [name for name in functions_here if has_empty_verb(name)]

    assert empty == []


def is_empty(name: str) -> bool:
    return name not in EXCEPTIONS and not EMPTY_WORDS.isdisjoint(words_of(name))


def has_empty_verb(name: str) -> bool:
    words = words_of(name)
    return name not in EXCEPTIONS and len(words) > 1 and words[0] in EMPTY_VERBS


def words_of(name: str) -> list[str]:
    """`_read_head` and `ReadHead` as `read`, `head`."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)] or [name]
