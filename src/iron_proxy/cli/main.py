"""Choose the sub-command. Imports of each happen only when it is chosen: `iron-proxy --version` must cost nothing."""

import sys
from collections.abc import Callable

# 0 normal stop, 1 failed at start or later, 2 usage or configuration (docs/reference/command-line.md).
OK, FAILURE, USAGE = 0, 1, 2


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    command = _command(arguments[0]) if arguments else None
    if command is None:
        from iron_proxy.cli.serve import run as serve

        return serve(arguments)
    return command(arguments[1:])


def _command(word: str) -> Callable[[list[str]], int] | None:
    """The sub-command that the first argument names; None means the default, serving."""
    match word:
        case "version" | "--version" | "-version" | "-v":
            return _print_version
        case "generate-ca":
            from iron_proxy.cli.generate_ca import run as generate_ca

            return generate_ca
        case "demo":
            from iron_proxy.cli.demo import run as demo

            return demo
        case "secrets":
            from iron_proxy.cli.secrets import run as secrets

            return secrets
        case _:
            return None if word.startswith("-") else _unknown(word)


def _print_version(arguments: list[str]) -> int:
    from iron_proxy.version import __version__

    print(__version__)
    return OK


def _unknown(word: str) -> Callable[[list[str]], int]:
    def refuse(arguments: list[str]) -> int:
        print(
            f'error: unknown command "{word}" (commands: generate-ca, version, demo, secrets; to serve: -config FILE)',
            file=sys.stderr,
        )
        return USAGE

    return refuse
