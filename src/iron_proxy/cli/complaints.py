"""How a command says what is wrong, and ends: `error: ` and a sentence, one a line, on standard error."""

import sys


def complain(*sentences: object, status: int) -> int:
    """Say them; returns the status, for the command to end with."""
    for sentence in sentences:
        print(f"error: {sentence}", file=sys.stderr)
    return status
