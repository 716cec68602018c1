"""Which keys the configuration readers ask for, found in their source: a key cannot be served and not be seen here."""

import ast
from collections.abc import Iterator

from tests.structure.source_tree import PACKAGE, dotted, tree_of

# Methods of `Section` that read a key (or, of `not_available`, refuse several).
READING = {
    "boolean", "choice", "duration", "has", "integer", "not_available", "required_text", "section", "section_or_empty",
    "sections", "text", "texts", "texts_or_sections", "texts_with_lines",
}  # fmt: skip


def keys_read_by(*paths: str) -> set[str]:
    """The keys that modules (or all modules below folders) of the package read."""
    return {key for path in paths for module in modules_of(path) for key in _keys_of(tree_of(module))}


def modules_of(path: str) -> list[str]:
    """A module, or every module below a folder."""
    if path.endswith(".py"):
        return [path]
    return sorted(str(module.relative_to(PACKAGE)) for module in (PACKAGE / path).rglob("*.py"))


def _keys_of(tree: ast.Module) -> Iterator[str]:
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _keys_of_call(node, constants)
        elif isinstance(node, ast.DictComp | ast.ListComp | ast.GeneratorExp):
            yield from _keys_of_comprehension(node, constants)


def _keys_of_call(call: ast.Call, constants: dict[str, ast.expr]) -> Iterator[str]:
    is_method = isinstance(call.func, ast.Attribute) and call.func.attr in READING
    if is_method:
        arguments = call.args if dotted(call.func).endswith("not_available") else call.args[:1]
        for argument in arguments:
            yield from _texts_of(argument.value if isinstance(argument, ast.Starred) else argument, constants)
    elif _takes_a_section(call):
        # A function of the module's own that reads one key: `_listen(section, "listen", ...)`.
        yield from _texts_of(call.args[1], constants)


def _takes_a_section(call: ast.Call) -> bool:
    names = ("section", "root", "entry", "owner", "block")
    return len(call.args) > 1 and isinstance(call.args[0], ast.Name) and call.args[0].id in names


def _keys_of_comprehension(
    node: ast.DictComp | ast.ListComp | ast.GeneratorExp, constants: dict[str, ast.expr]
) -> Iterator[str]:
    """`{key: section.texts_with_lines(key) for key in _LISTS}`."""
    reads = [
        call.args[0].id
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in READING
        and call.args
        and isinstance(call.args[0], ast.Name)
    ]
    for generator in node.generators:
        if isinstance(generator.target, ast.Name) and generator.target.id in reads:
            yield from _texts_of(generator.iter, constants)


def _texts_of(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    if isinstance(node, ast.Name) and node.id in constants:
        node = constants[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Tuple):
        for element in node.elts:
            yield from _texts_of(element, {})
