"""What sub-commands do alike with their arguments: the usage when asked, and a sentence with it for a slip."""

import sys
from collections.abc import Sequence

from iron_proxy.cli.main import OK, USAGE
from iron_proxy.go_compat.flags import FlagError, FlagSet, HelpRequested, ParsedFlags


class UsageError(Exception):
    """The flags are well formed, and cannot be done together or here; the message says what to write instead."""


def read_flags(flags: FlagSet, arguments: Sequence[str], stray_remedy: str = "") -> ParsedFlags | int:
    """
    The flags of a sub-command, or the exit status when there is nothing more to do.

    Upstream ignores arguments that are not flags; whoever wrote one wants to know. `stray_remedy` ends that sentence.
    """
    try:
        parsed = flags.parse(arguments)
    except HelpRequested:
        print(flags.usage(), end="", file=sys.stderr)
        return OK
    except FlagError as error:
        return _refuse(flags, str(error))
    if parsed.positional:
        return _refuse(flags, f'unexpected argument "{parsed.positional[0]}"{stray_remedy}')
    return parsed


def read_words_and_flags(
    flags: FlagSet, arguments: Sequence[str], words: Sequence[str]
) -> tuple[tuple[str, ...], ParsedFlags] | int:
    """As `read_flags`, for a command with words of its own (`METHOD`, `URL`) among the flags, before or behind them."""
    read = read_files_and_flags(flags, arguments)
    if isinstance(read, int):
        return read
    if len(read[0]) != len(words):
        return _refuse(flags, f"{flags.command} takes {' and '.join(words)}; got {len(read[0])} of them")
    return read


def read_files_and_flags(
    flags: FlagSet, arguments: Sequence[str], missing: str = ""
) -> tuple[tuple[str, ...], ParsedFlags] | int:
    """The same for any number of words. `missing` is what to say when there are none; "" lets that pass."""
    found: list[str] = []
    flag_arguments: list[str] = []
    rest = list(arguments)
    try:
        while rest:
            positional = flags.parse(rest).positional
            flag_arguments += rest[: len(rest) - len(positional)]
            if flag_arguments[-1:] == ["--"]:      # what follows is no flag, whatever it looks like
                flag_arguments.pop()
                found += positional
                break
            found += positional[:1]
            rest = list(positional[1:])
        parsed = flags.parse(flag_arguments)
    except HelpRequested:
        print(flags.usage(), end="", file=sys.stderr)
        return OK
    except FlagError as error:
        return _refuse(flags, str(error))
    if missing and not found:
        return _refuse(flags, missing)
    return tuple(found), parsed


def _refuse(flags: FlagSet, message: str) -> int:
    print(message, flags.usage(), sep="\n", end="", file=sys.stderr)
    return USAGE
