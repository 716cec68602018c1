"""Choose the sub-command. Imports of each happen only when it is chosen: `iron-proxy --version` must cost nothing."""

import os
import sys
from collections.abc import Callable
from importlib import import_module

from iron_proxy.cli.import_path import secure_import_path
from iron_proxy.cli.standard_output import escape_what_cannot_be_shown

# 0 normal stop, 1 failed at start or later, 2 usage or configuration (docs/reference/command-line.md).
OK, FAILURE, USAGE = 0, 1, 2
# What people try is often no slip but another word: `serve` is not `secrets`.
_SLIP_CUTOFF = 0.75

# Each command's module in this folder, imported when it is chosen.
MODULES = {
    "run": "run",
    "generate-ca": "generate_ca",
    "demo": "demo",
    "init": "init",
    "check": "check",
    "explain": "explain",
    "schema": "schema",
    "reload": "reload",
    "secrets": "secrets",
    "audit": "audit",
    "logs": "logs",
    "learn": "learn",
    "replay": "replay",
    "env": "env",
    "doctor": "doctor",
    "selftest": "selftest",
    "nft": "nft",
    "tproxy": "tproxy",
    "action": "action",
}


def main() -> None:
    """The console script."""
    secure_import_path()
    _occupy_standard_descriptors()
    escape_what_cannot_be_shown()
    sys.exit(run(sys.argv[1:]))


def _occupy_standard_descriptors() -> None:
    """
    Where standard error is closed, the next socket would get its number, and a client what we log.

    What takes its place cannot be written to: whoever needs the log learns that there is none.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)       # the lowest free number, which is this one


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    command = _command(arguments[0]) if arguments else None
    if command is None:
        import signal

        # Until there is a loop to drain, control-C ends the start as any other program: no exception out of an import.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        from iron_proxy.cli.serve import run as serve

        return serve(arguments)
    return command(arguments[1:])


def _command(word: str) -> Callable[[list[str]], int] | None:
    """The sub-command that the first argument names; None means the default, serving."""
    if word in ("version", "--version", "-version", "-v"):
        return _print_version
    if word == "help":
        return _help
    if word not in MODULES:
        return None if word.startswith("-") else _unknown(word)
    command: Callable[[list[str]], int] = import_module(f"iron_proxy.cli.{MODULES[word]}").run
    return command


def _print_version(arguments: list[str]) -> int:
    from iron_proxy.version import __version__

    print(__version__)
    return OK


def _help(arguments: list[str]) -> int:
    """`help` is `-h`, `help COMMAND` is `COMMAND -h`."""
    return run([*arguments, "-h"])


def _unknown(word: str) -> Callable[[list[str]], int]:
    def refuse(arguments: list[str]) -> int:
        from iron_proxy.config.problems import did_you_mean

        names = [*MODULES, "help", "version"]
        hint = did_you_mean(word, names, _SLIP_CUTOFF)
        print(
            f'error: unknown command "{word}"{hint} (commands: {", ".join(names)}; to serve: -config FILE)',
            file=sys.stderr,
        )
        return USAGE

    return refuse
