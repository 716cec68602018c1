"""
Shell patterns compiled by RE2, which needs no trust in the pattern: matching is linear in the name.

What a pattern means is `go_compat/path_match.py`. Host and path patterns are built on this.
"""

from typing import Any

import re2

from iron_proxy.go_compat.path_match import regex_of_glob

WILDCARDS = frozenset("*?[\\")


def compile_glob(glob: str) -> Any:  # Any: google-re2 ships no types
    """An RE2 object whose `fullmatch` decides. Raises ValueError for a malformed glob."""
    return re2.compile(regex_of_glob(glob), quiet_options())


def quiet_options() -> Any:  # Any: as above
    """RE2 options that report errors to us only: by default RE2 writes them to stderr, which is not ours to share."""
    options = re2.Options()
    options.log_errors = False
    return options
