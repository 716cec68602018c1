"""
One mapping of the YAML file, read key by key with its place at hand.

Scalars keep the text that the operator wrote and are converted by whoever asks for them, as Go's decoder does: `53`
is the string "53" for a string key and `no` is a host name, not a boolean, where a name is wanted. A bad value is
noted and a default returned, so that reading goes on and every problem is told at once. `finish` reports the keys
that nobody asked for.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from iron_proxy.config.problems import Problems
from iron_proxy.go_compat.durations import parse_duration

_TRUE: Final = frozenset(("true", "yes", "on", "y"))
_FALSE: Final = frozenset(("false", "no", "off", "n"))
# yaml.v3's numbers, underscores removed: Go's prefixed integers, then floats (which is how it reads `08`).
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
# No int64 is longer, in any base and with leading zeros to spare; `int()` refuses thousands of digits in its own words.
_MAX_NUMBER_LENGTH: Final = 100
_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_INT64_MAX: Final = 2**63 - 1


class Section:
    """A mapping node with the path that leads to it (`transforms[1].config`)."""

    def __init__(self, node: MappingNode | None, path: str, problems: Problems, line: int | None = None) -> None:
        self.path = path
        self.problems = problems
        self.line = line if node is None else node.start_mark.line + 1
        self._values: dict[str, Node] = {}
        self._lines: dict[str, int] = {}
        self._known: set[str] = set()
        self._variables: dict[str, str] = {}
        if node is not None:
            self._collect(node)

    def _collect(self, node: MappingNode) -> None:
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.problems.error(line, self.path, "a key must be a single word, not a list or a mapping")
                continue
            key = str(key_node.value)
            if key == "<<" and not key_node.style:
                self._merge(value_node)
            elif key in self._values and self._lines[key] > 0:
                self.problems.error(line, self._path_of(key), f"duplicate key (first on line {self._lines[key]})")
            else:
                self._values[key], self._lines[key] = value_node, line

    def _merge(self, node: Node) -> None:
        sources = node.value if isinstance(node, SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, MappingNode):
                self.problems.error(node.start_mark.line + 1, self._path_of("<<"), "merges mappings only")
            else:
                merged = Section(source, self.path, self.problems)
                for key, value in merged._values.items():
                    if key not in self._values:
                        # A negative line marks a merged key: one written out beside it wins without being a duplicate.
                        self._values[key], self._lines[key] = value, -abs(merged._lines[key])

    # --- what the section holds -------------------------------------------------------------------------------------

    def has(self, key: str) -> bool:
        """Whether the key is present with a value other than null. Counts as asking for it."""
        return self._node(key) is not None

    def text(self, key: str, default: str = "") -> str:
        """A string; any scalar serves and keeps its raw text."""
        node = self._node(key)
        if node is None:
            return default
        if not isinstance(node, ScalarNode):
            self.problem(key, "must be a string")
            return default
        return str(node.value)

    def required_text(self, key: str, message: str | None = None) -> str:
        """A string that must be there and not be empty."""
        value = self.text(key)
        if not value and not self._is_misshapen(key):
            self.problem(key, message or "is required")
        return value

    def choice(self, key: str, options: Sequence[str], default: str, message: str | None = None) -> str:
        """One of a few exact words; empty means the default."""
        value = self.text(key) or default
        if value not in options:
            self.problem(key, (message or f"must be one of {', '.join(options)}") + f'; got "{value}"')
            return default
        return value

    def integer(self, key: str, default: int, *, at_least: int | None = None) -> int:
        """A whole number in any YAML 1.1 spelling; floats are cut; quoted numbers are refused, as Go does."""
        node = self._node(key)
        if node is None:
            return default
        value = _parse_integer(node.value) if isinstance(node, ScalarNode) and not node.style else None
        if value is None:
            self.problem(key, "must be a whole number")
            return default
        if abs(value) > _INT64_MAX:
            self.problem(key, "is too large")
            return default
        if at_least is not None and value < at_least:
            self.problem(key, f"must be at least {at_least}; got {value}")
            return default
        return value

    def boolean(self, key: str, default: bool = False) -> bool:
        """`true`/`false`, and YAML 1.1's `yes`, `no`, `on`, `off`."""
        node = self._node(key)
        if node is None:
            return default
        word = node.value.lower() if isinstance(node, ScalarNode) and not node.style else None
        if word in _TRUE:
            return True
        if word not in _FALSE:
            self.problem(key, "must be true or false")
            return default
        return False

    def duration(self, key: str, default: float, *, positive: bool = False) -> float:
        """Seconds, from a Go duration string; empty, null and any zero mean the default."""
        text = self.text(key)
        if not text:
            return default
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            self.problem(key, str(error))
            return default
        if seconds == 0:
            return default
        if positive and seconds <= 0:
            self.problem(key, f"must be positive; got {text}")
            return default
        return seconds

    def texts(self, key: str) -> list[str]:
        """A list of strings; absent is the empty list."""
        return [text for text, _ in self.texts_with_lines(key)]

    def texts_with_lines(self, key: str) -> list[tuple[str, int]]:
        """A list of strings, each with its line, for messages of the caller's own (see `problem_at`)."""
        result = []
        for index, node in enumerate(self._sequence(key, "a list of strings")):
            line = node.start_mark.line + 1
            if isinstance(node, ScalarNode):
                result.append((str(node.value), line))
            else:
                self.problems.error(line, f"{self._path_of(key)}[{index}]", "must be a string")
        return result

    def texts_or_sections(self, key: str) -> "list[tuple[str, int] | Section]":
        """A list whose elements are strings, each with its line, or mappings; absent is the empty list."""
        result: list[tuple[str, int] | Section] = []
        for index, node in enumerate(self._sequence(key, "a list of strings or mappings")):
            line, path = node.start_mark.line + 1, f"{self._path_of(key)}[{index}]"
            if isinstance(node, ScalarNode):
                result.append((str(node.value), line))
            elif isinstance(node, MappingNode):
                result.append(Section(node, path, self.problems))
            else:
                self.problems.error(line, path, "must be a string or a mapping")
        return result

    def section(self, key: str) -> "Section | None":
        """A nested mapping, or None when absent or null."""
        node = self._node(key)
        if node is None:
            return None
        if not isinstance(node, MappingNode):
            self.problem(key, "must be a mapping")
            return None
        return Section(node, self._path_of(key), self.problems)

    def section_or_empty(self, key: str) -> "Section":
        """A nested mapping; an empty one when absent, so that its defaults can be read."""
        return self.section(key) or Section(None, self._path_of(key), self.problems, self._line_of(key))

    def sections(self, key: str) -> "list[Section]":
        """A list of mappings; absent is the empty list."""
        result = []
        for index, node in enumerate(self._sequence(key, "a list of mappings")):
            path = f"{self._path_of(key)}[{index}]"
            if isinstance(node, MappingNode):
                result.append(Section(node, path, self.problems))
            else:
                self.problems.error(node.start_mark.line + 1, path, "must be a mapping")
        return result

    def plain(self) -> dict[str, Any]:
        """All of it in the words of the file, as mappings, lists and strings. Nothing counts as asked for."""
        return {key: _plain(node) for key, node in self._values.items()}

    def keys(self) -> list[str]:
        """Every key that is present, asked for or not."""
        return [*self._values]

    def override(self, key: str, text: str, variable: str) -> None:
        """Put a text from an environment variable in place of what the file says; problems name the variable."""
        self._values[key] = ScalarNode("tag:yaml.org,2002:str", text)
        self._variables[key] = variable

    # --- what is wrong with it --------------------------------------------------------------------------------------

    def problem(self, key: str | None, message: str) -> None:
        """Note a problem with a key of this section, or with the section itself (None)."""
        if key in self._variables:
            self.problems.variable_error(self._variables[key], message)
            return
        self.problems.error(self._line_of(key), self.path if key is None else self._path_of(key), message)

    def problem_at(self, line: int, key: str, message: str) -> None:
        """Note a problem with one element of a list."""
        self.problems.error(line, self._path_of(key), message)

    def not_available(self, *keys: str) -> None:
        """Recognise keys that a later version will serve, and refuse them: never accept and ignore."""
        for key in keys:
            if self.has(key):
                self.problem(key, "not available in this version")

    def acknowledge(self, *keys: str) -> None:
        """Keys that are known although nobody asks for them in this configuration."""
        self._known.update(keys)

    def finish(self) -> None:
        """Report every key that nobody asked for. Call once, after reading."""
        for key in self._values:
            if key not in self._known:
                self.problems.unknown_key(self._line_of(key), self.path, key, self._known)

    # --- nodes ------------------------------------------------------------------------------------------------------

    def _node(self, key: str) -> Node | None:
        self._known.add(key)
        node = self._values.get(key)
        if node is None or key in self._variables:
            return node
        is_null = isinstance(node, ScalarNode) and not node.style and node.value in _NULL
        return None if is_null else node

    def _sequence(self, key: str, wanted: str) -> list[Node]:
        node = self._node(key)
        if node is None:
            return []
        if not isinstance(node, SequenceNode):
            self.problem(key, f"must be {wanted}")
            return []
        return list(node.value)

    def _is_misshapen(self, key: str) -> bool:
        node = self._node(key)
        return node is not None and not isinstance(node, ScalarNode)

    def _path_of(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _line_of(self, key: str | None) -> int | None:
        return abs(self._lines[key]) if key is not None and key in self._lines else self.line


def _plain(node: Node) -> Any:
    if isinstance(node, MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    return [_plain(each) for each in node.value] if isinstance(node, SequenceNode) else str(node.value)


def _parse_integer(text: str) -> int | None:
    digits = text.replace("_", "")
    if len(digits) > _MAX_NUMBER_LENGTH or text[:1] == "_":
        return None
    if _INTEGER.fullmatch(digits):
        sign = -1 if digits[0] == "-" else 1
        return sign * _parse_prefixed(digits.lstrip("+-").lower())
    if not _FLOAT.fullmatch(digits):
        return None
    number = float(digits)
    # Beyond the range, and infinite for large exponents: what it is exactly no longer matters.
    return int(number) if abs(number) < _INT64_MAX else _INT64_MAX + 1


def _parse_prefixed(digits: str) -> int:
    for prefix, base in (("0x", 16), ("0o", 8), ("0b", 2)):
        if digits.startswith(prefix):
            return int(digits[2:], base)
    return int(digits, 8 if digits.startswith("0") else 10)
