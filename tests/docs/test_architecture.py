"""The architecture page names files, classes and functions that are there."""

import ast
import re

import pytest
from tests.docs.pages import code_spans, text_of
from tests.structure.source_tree import PACKAGE, tree_of
from tests.structure.test_import_rules import LEVEL

PAGE = text_of("docs/explanation/architecture.md")
# `proxy/handler.py` or `proxy/handler.py: handle` or `upstream/pool.py: Pool.take_idle`.
NAMED = [
    found.groups()
    for span in code_spans(PAGE)
    if (found := re.fullmatch(r"([a-z0-9_]+/[a-z0-9_/]+\.py)(?:: ([\w.]+))?", span)) and not span.startswith("tests/")
]


def definitions(path: str) -> set[str]:
    """The classes and functions of a module, and methods as `Class.method`."""
    names: set[str] = set()
    for node in tree_of(path).body:
        if isinstance(node, ast.ClassDef):
            names |= {node.name, *(f"{node.name}.{part.name}" for part in node.body if hasattr(part, "name"))}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return names


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[f"{path}: {name}" for path, name in NAMED])
def test_a_file_and_what_is_named_in_it_are_there(path: str, name: str | None) -> None:
    assert (PACKAGE / path).is_file()
    assert name is None or name in definitions(path)


def test_the_page_names_enough_to_follow_a_request() -> None:
    assert {"listeners/accept.py", "proxy/handler.py", "upstream/dialer.py", "audit/emitter.py"} <= {
        p for p, _ in NAMED
    }


@pytest.mark.parametrize("folder", sorted(LEVEL))
def test_every_folder_that_is_there_has_its_line(folder: str) -> None:
    assert not (PACKAGE / folder).is_dir() or f"`{folder}`" in PAGE
