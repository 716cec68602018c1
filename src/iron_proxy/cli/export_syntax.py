"""
Variables as a shell, or another reader of variables, takes them: quoted so that a value arrives as it is.

Pure. Called by `env.py`, which prints what comes of it.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Final

SHELLS: Final = ("bash", "fish", "github", "docker", "json", "powershell")
# Files of assignments: there is nothing in them that takes a variable away, and an empty SSL_CERT_FILE trusts nobody.
CANNOT_UNSET: Final = ("github", "docker")

# PowerShell takes typographic quotes for plain ones.
_POWERSHELL_QUOTES: Final = re.compile("['\u2018\u2019\u201a\u201b]")


def exports(shell: str, variables: Mapping[str, str]) -> str:
    """
    The text that sets the variables; `bash` is for every POSIX shell.

    Raises ValueError with a sentence for a value that cannot be written there.
    """
    match shell:
        case "fish":
            return _lines(f"set -gx {name} {_fish_quoted(value)}" for name, value in variables.items())
        case "powershell":
            return _lines(f"$env:{name} = {_powershell_quoted(value)}" for name, value in variables.items())
        case "github":
            return _lines(_github_line(name, value) for name, value in variables.items())
        case "docker":
            return _lines(_docker_line(name, value) for name, value in variables.items())
        case "json":
            return _lines([json.dumps(dict(variables), indent=2)])
        case _:
            return _lines(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def removals(shell: str, names: Iterable[str]) -> str:
    """The text that takes the variables away. `shell` is none of CANNOT_UNSET."""
    match shell:
        case "fish":
            return _lines(f"set -e {name}" for name in names)
        case "powershell":
            return _lines(f"Remove-Item Env:{name} -ErrorAction SilentlyContinue" for name in names)
        case "json":
            return _lines([json.dumps(dict.fromkeys(names), indent=2)])
        case _:
            return _lines(f"unset {name}" for name in names)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _fish_quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _powershell_quoted(value: str) -> str:
    return "'" + _POWERSHELL_QUOTES.sub(lambda quote: quote[0] * 2, value) + "'"


def _github_line(name: str, value: str) -> str:
    """A line of the file that $GITHUB_ENV names; a value of several lines stands between two delimiters."""
    if "\n" not in value and "\r" not in value:
        return f"{name}={value}"
    delimiter = "END_OF_VALUE"
    while delimiter in value:
        delimiter += "_"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}"


def _docker_line(name: str, value: str) -> str:
    """A line of `docker run --env-file`: everything behind the sign is the value, quotes too."""
    if "\n" in value or "\r" in value:
        raise ValueError(f"{name} has more than one line, which a file for docker cannot hold")
    return f"{name}={value}"
