"""A file holds one idea and a function fits on a screen; what is longer says here why."""

import ast
from pathlib import Path

import pytest
from tests.structure.source_tree import ROOT, functions

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40

# A file on these lists that has become short enough fails the test: take it off.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


def python_files() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT)) for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py")
    )


@pytest.mark.parametrize("name", python_files())
def test_a_file_has_at_most_400_lines(name: str) -> None:
    length = len((ROOT / name).read_text(encoding="utf-8").splitlines())

    assert (length > MAX_FILE_LINES) == (name in LONG_FILES), f"{name} has {length} lines"


@pytest.mark.parametrize("name", python_files())
def test_a_function_has_at_most_40_lines(name: str) -> None:
    long = {
        f"{name}:{function.name}"
        for function in functions(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        if length_of(function) > MAX_FUNCTION_LINES
    }

    assert long == {place for place in LONG_FUNCTIONS if place.startswith(f"{name}:")}


@pytest.mark.parametrize("place", sorted({*LONG_FILES, *LONG_FUNCTIONS}))
def test_an_exception_names_a_file_that_exists(place: str) -> None:
    assert Path(ROOT / place.partition(":")[0]).is_file()


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines from `def` to the end; decorators are another matter (a table of cases may be long)."""
    return (function.end_lineno or function.lineno) - function.lineno + 1
