"""Each source file has a test file of its own in the same place, so that its tests are found without a search."""

import ast
from pathlib import Path

import pytest
from tests.structure.source_tree import PACKAGE, ROOT, functions, source_files, tree_of

UNIT = ROOT / "tests" / "unit"

# Files without unit tests of their own: other tests run them. The list only shrinks; what has a twin must not be on it.
WITHOUT_TWIN: tuple[str, ...] = ()


def acts(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function has code, and not a docstring and `...` only, as in a protocol."""
    return not all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in function.body)


def files_with_code() -> list[str]:
    """All but what holds only constants, types and protocols."""
    return [path for path in source_files() if any(map(acts, functions(tree_of(path))))]


@pytest.mark.parametrize("path", files_with_code())
def test_a_source_file_has_its_test_file(path: str) -> None:
    assert twin_of(path).is_file() != (path in WITHOUT_TWIN), f"{path} ↔ {twin_of(path).relative_to(ROOT)}"


@pytest.mark.parametrize("twin", sorted(str(path.relative_to(UNIT)) for path in UNIT.rglob("test_*.py")))
def test_a_unit_test_file_has_its_source_file(twin: str) -> None:
    """A long one may be divided: `test_parser_limits.py` belongs to `parser.py` too."""
    folder = ROOT if twin.startswith("bench/") else PACKAGE
    words = (folder / twin).stem.removeprefix("test_").split("_")

    candidates = ["_".join(words[:count]) for count in range(1, len(words) + 1)]

    assert any((folder / twin).with_name(f"{name}.py").is_file() for name in candidates)


def test_an_exception_names_a_file_that_exists() -> None:
    assert set(WITHOUT_TWIN) <= set(source_files())


def twin_of(path: str) -> Path:
    folder, _, name = path.rpartition("/")
    return UNIT / folder / f"test_{name}"
