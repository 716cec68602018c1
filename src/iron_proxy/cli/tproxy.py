"""
`iron-proxy tproxy up|down`: load the TPROXY ruleset with its policy routes, or take both away; or print them.

What is loaded is made and run in `nftables/`; here are the flags and the words. Called by `cli/main.py`.
"""

import shlex
import sys
from collections.abc import Iterable

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.firewall_flags import SHARED_FLAGS, command_line, settings_from
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.errors import StartupError
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags
from iron_proxy.nftables.applying import bring_up, take_down
from iron_proxy.nftables.policy_routing import Command, commands_down, commands_up, families
from iron_proxy.nftables.ruleset import REMOVAL, ruleset

_PRINT = Flag("print", False, "print the commands as a shell script instead of running them")
FLAGS = FlagSet("tproxy up", [*SHARED_FLAGS, _PRINT])
DOWN_FLAGS = FlagSet("tproxy down", [_PRINT])
_USAGE = f"{FLAGS.usage()}{DOWN_FLAGS.usage()}"


def run(arguments: list[str]) -> int:
    """Load or remove; returns the exit status."""
    match arguments[:1]:
        case ["up"]:
            flags = read_flags(FLAGS, arguments[1:])
            return flags if isinstance(flags, int) else _up(flags, command_line(["tproxy", *arguments]))
        case ["down"]:
            flags = read_flags(DOWN_FLAGS, arguments[1:])
            return flags if isinstance(flags, int) else _down(flags)
        case ["-h"] | ["-help"] | ["--help"]:
            print(_USAGE, end="", file=sys.stderr)
            return OK
        case _:
            return complain("say what to do: iron-proxy tproxy up, or iron-proxy tproxy down", status=USAGE)


def _up(flags: ParsedFlags, command: str) -> int:
    try:
        settings = settings_from(flags, "tproxy")
    except ValueError as error:
        return complain(error, status=USAGE)
    text = ruleset(settings, command)
    if flags.boolean("print"):
        script = [*_shell(commands_up(families(settings))), f"nft -f - <<'END'\n{text}END"]
        print("\n".join(["#!/bin/sh", "set -eu", *script]))
        return OK
    try:
        bring_up(text, families(settings))
    except StartupError as error:
        return complain(error, status=FAILURE)
    print("connections are taken to the proxy; `iron-proxy tproxy down` ends that")
    return OK


def _down(flags: ParsedFlags) -> int:
    if flags.boolean("print"):
        removed = [f"{shlex.join(command)} 2>/dev/null || true" for command in commands_down()]
        print("\n".join(["#!/bin/sh", "set -eu", f"nft -f - <<'END'\n{REMOVAL}END", *removed]))
        return OK
    try:
        take_down()
    except StartupError as error:
        return complain(error, status=FAILURE)
    print("rules and routes are gone")
    return OK


def _shell(commands: Iterable[Command]) -> list[str]:
    """Commands for `sh -e`; adding a rule that is there fails, so it is looked for first."""
    lines = []
    for command in commands:
        line = shlex.join(command)
        if "add" in command:
            what = shlex.join([*command[: command.index("add")], "show", *command[command.index("add") + 1 :]])
            line = f'[ -n "$({what})" ] || {line}'
        lines.append(line)
    return lines
