"""What is wrong with a configuration: collected, so that one run tells all of it, each with file, line and key path."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from iron_proxy.errors import ConfigError


@dataclass(slots=True)
class Problems:
    """
    The findings about one configuration.

    `unknown_keys_are_errors` follows `config.unknown_keys`; `client_names` holds the names under `clients`, so that
    whoever reads rules later can tell a name that is none.
    """

    source: str  # the file's name as the user gave it, or "environment"
    unknown_keys_are_errors: bool = True
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    client_names: frozenset[str] = frozenset()

    def error(self, line: int | None, path: str, message: str) -> None:
        """Note something that makes the configuration unusable."""
        self._add_error(self._sentence(line, path, message))

    def warning(self, line: int | None, path: str, message: str) -> None:
        """Note something that loads but is likely not meant."""
        self.warnings.append(self._sentence(line, path, message))

    def variable_error(self, variable: str, message: str) -> None:
        """Note something wrong with a value that came from an environment variable."""
        self._add_error(f"environment: {variable}: {message}")

    def unknown_key(self, line: int | None, path: str, key: str, known: Iterable[str]) -> None:
        """Note a key that nobody reads; an error unless the operator asked for warnings."""
        sentence = self._sentence(line, f"{path}.{key}" if path else key, f"unknown key{did_you_mean(key, known)}")
        if self.unknown_keys_are_errors:
            self._add_error(sentence)
        elif sentence not in self.warnings:
            self.warnings.append(sentence)

    def raise_if_any(self) -> None:
        """Raise ConfigError with every error noted so far."""
        if self.errors:
            raise ConfigError(self.errors)

    def _add_error(self, sentence: str) -> None:
        if sentence not in self.errors:  # a value that is asked for twice is wrong once
            self.errors.append(sentence)

    def _sentence(self, line: int | None, path: str, message: str) -> str:
        place = self.source if line is None else f"{self.source}:{line}"
        return f"{place}: {path}: {message}" if path else f"{place}: {message}"


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """` (did you mean "x"?)` for the closest known word, or nothing; `cutoff` says how near it must be, 1 the same."""
    close = difflib.get_close_matches(word.lower(), [*known], n=1, cutoff=cutoff)
    return f' (did you mean "{close[0]}"?)' if close else ""
