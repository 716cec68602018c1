"""What sub-commands do alike with their arguments: the usage when asked, and a sentence with it for a slip."""

import sys
from collections.abc import Sequence

from iron_proxy.cli.main import OK, USAGE
from iron_proxy.go_compat.flags import FlagError, FlagSet, HelpRequested, ParsedFlags


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


def _refuse(flags: FlagSet, message: str) -> int:
    print(message, flags.usage(), sep="\n", end="", file=sys.stderr)
    return USAGE
