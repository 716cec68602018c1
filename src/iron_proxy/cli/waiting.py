"""A sentence for somebody who waits at a terminal: commands that take seconds would otherwise look dead."""

import sys


def tell_who_waits(sentence: str) -> None:
    """On standard error, if that is a terminal: a program that reads it wants outcomes alone."""
    if sys.stderr.isatty():
        print(sentence, file=sys.stderr)
