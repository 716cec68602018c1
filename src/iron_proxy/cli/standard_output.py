"""
Standard output in an encoding that lacks characters: text for people never ends a command, text for programs is UTF-8.

Tables replace what cannot be shown (`Console` in the commands); everything else that is printed comes by here.
"""

import codecs
import sys
from io import TextIOWrapper
from typing import Final

_HANDLER: Final = "iron-proxy-shown"


def escape_what_cannot_be_shown() -> None:
    """Behind this, a character that the locale's encoding lacks is printed as an escape, as on standard error."""
    if isinstance(sys.stdout, TextIOWrapper):
        codecs.register_error(_HANDLER, _shown)
        sys.stdout.reconfigure(errors=_HANDLER)


def _shown(error: UnicodeError) -> tuple[str | bytes, int]:
    """Names of files and arguments that are no text leave as the bytes that they came as."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return codecs.lookup_error("backslashreplace")(error)


def write_document(text: str) -> None:
    """Print JSON or YAML. Both are UTF-8 by their definition, whatever the terminal is; names of files may be none."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
