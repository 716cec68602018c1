"""
Command lines as Go's `flag` package reads them: `-x v`, `--x v`, `-x=v`, `--x=v`, and `-x` alone for a truth value.

Reading stops at the first argument that is no flag, or at `--`. Nothing is printed here and nothing exits: `cli/`
shows the message of a FlagError with the usage text on stderr (status 2), and the usage text for HelpRequested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iron_proxy.go_compat.numbers import NumberError, parse_bool, parse_int

Value = str | int | bool | tuple[str, ...]


class FlagError(ValueError):
    """An argument that cannot be used, in Go's words (`flag provided but not defined: -foo`)."""


class HelpRequested(Exception):
    """`-h` or `-help` was given and is not a flag of its own."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag; the type of its default is its type. With a default of `()` it may be given more than once."""

    name: str
    default: Value
    usage: str  # one sentence for the usage text
    placeholder: str = ""  # what stands for the value there; made from the type when empty


@dataclass(frozen=True, slots=True)
class ParsedFlags:
    """The value of every flag, which of them were given, and what was left on the command line."""

    values: Mapping[str, Value]
    given: frozenset[str]
    positional: tuple[str, ...]

    def text(self, name: str) -> str:
        """The value of a string flag."""
        return str(self.values[name])

    def integer(self, name: str) -> int:
        """The value of an integer flag."""
        value = self.values[name]
        return int(value) if isinstance(value, int) else 0

    def boolean(self, name: str) -> bool:
        """The value of a truth flag."""
        return bool(self.values[name])

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of a flag that may be given more than once, in order."""
        values = self.values[name]
        return values if isinstance(values, tuple) else (str(values),)


class FlagSet:
    """The flags of one command."""

    def __init__(self, command: str, flags: Sequence[Flag]) -> None:
        self.command = command
        self.flags = tuple(flags)
        self._by_name = {flag.name: flag for flag in flags}

    def parse(self, arguments: Sequence[str]) -> ParsedFlags:
        """Read a command line, without the command itself. Raises FlagError and HelpRequested."""
        values = {flag.name: flag.default for flag in self.flags}
        given: set[str] = set()
        position = 0
        while position < len(arguments) and _is_flag(arguments[position]):
            argument = arguments[position]
            position += 1
            if argument == "--":
                break
            flag, attached = self._find(argument)
            if attached is None and not isinstance(flag.default, bool):
                if position >= len(arguments):
                    raise FlagError(f"flag needs an argument: -{flag.name}")
                attached = arguments[position]
                position += 1
            values[flag.name] = _convert(flag, attached, values[flag.name])
            given.add(flag.name)
        return ParsedFlags(values, frozenset(given), tuple(arguments[position:]))

    def usage(self) -> str:
        """The usage text, ending in a newline."""
        lines = [f"Usage of {self.command}:"]
        for flag in self.flags:
            lines.append(f"  -{flag.name} {_placeholder(flag)}".rstrip())
            lines.append(f"        {flag.usage}{_default(flag)}")
        return "\n".join(lines) + "\n"

    def _find(self, argument: str) -> tuple[Flag, str | None]:
        body = argument[2:] if argument.startswith("--") else argument[1:]
        if body[:1] in ("", "-", "="):
            raise FlagError(f"bad flag syntax: {argument}")
        name, equals, attached = body.partition("=")
        flag = self._by_name.get(name)
        if flag is None:
            if name in ("h", "help"):
                raise HelpRequested
            raise FlagError(f"flag provided but not defined: -{name}")
        return flag, attached if equals else None


def _is_flag(argument: str) -> bool:
    return len(argument) > 1 and argument[0] == "-"  # "-" alone is an argument, by custom stdin


def _convert(flag: Flag, text: str | None, before: Value) -> Value:
    if text is None:
        return True
    if isinstance(before, tuple):
        return (*before, text)
    try:
        if isinstance(flag.default, bool):
            return parse_bool(text)
        return parse_int(text, base=0) if isinstance(flag.default, int) else text
    except NumberError as error:
        reason = "parse error" if error.reason == "invalid syntax" else error.reason
        if isinstance(flag.default, bool):
            raise FlagError(f"invalid boolean value {_quoted(text)} for -{flag.name}: {reason}") from None
        raise FlagError(f"invalid value {_quoted(text)} for flag -{flag.name}: {reason}") from None


def _quoted(text: str) -> str:
    return f'"{text}"'


def _placeholder(flag: Flag) -> str:
    if isinstance(flag.default, bool):
        return ""
    return flag.placeholder or ("NUMBER" if isinstance(flag.default, int) else "TEXT")


def _default(flag: Flag) -> str:
    if not flag.default:
        return ""
    return f" (default {_quoted(flag.default) if isinstance(flag.default, str) else str(flag.default).lower()})"
