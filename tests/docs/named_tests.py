"""Tests and sources that pages name in backquotes: `tests/a/test_b.py: test_c`, `folder/file.py: Class.method`."""

import ast
import re
from functools import cache
from typing import NamedTuple

from tests.docs.pages import ROOT, code_spans

_NAMED = re.compile(r"((?:[a-z0-9_]+/)+[a-z0-9_]+\.py)(?:: ([\w.]+))?")


class Named(NamedTuple):
    """A file, relative to the project for tests and to the package for sources, and what is named in it, or ""."""

    path: str
    name: str

    @property
    def is_test(self) -> bool:
        """Whether it is a test, and not a fake or a source."""
        return self.path.startswith("tests/") and self.name.startswith("test_")

    def is_there(self) -> bool:
        """Whether the file is, and defines the name."""
        folder = ROOT if self.path.startswith("tests/") else ROOT / "src" / "iron_proxy"
        file = folder / self.path
        return file.is_file() and (not self.name or self.name in _definitions(file.read_text(encoding="utf-8")))


def named_in(text: str) -> list[Named]:
    """All of them, in order."""
    found = (_NAMED.fullmatch(span) for span in code_spans(text))
    return [Named(match[1], match[2] or "") for match in found if match]


@cache
def _definitions(source: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            names |= {node.name, *(f"{node.name}.{part.name}" for part in node.body if hasattr(part, "name"))}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return frozenset(names)
